/** Signing in, and the account of who is signed in. */
import Type from 'typebox'
import {
  anything,
  count,
  facts,
  flag,
  input,
  listOf,
  maybe,
  oneOf,
  strict,
  strings,
  text,
  time,
} from './parts.ts'

export const email = input('The address of the account.', 'anna@shop.example', {
  minLength: 1,
  maxLength: 320,
})
/** Longer than any password that is accepted, so that a long one is told apart from a wrong one. */
export const password = input('The password.', 'correct horse battery staple', {
  minLength: 1,
  maxLength: 1024,
})
const code = input('Six digits of an authenticator app.', '492039', { maxLength: 16 })
const recoveryCode = input('One of the recovery codes.', 'k7m2p-9xw4t', { maxLength: 64 })

/** WebAuthn Level 3 §5.1: the JSON of a credential, as `PublicKeyCredential.toJSON()` makes it. */
const base64url = (description: string, maxLength = 1024) =>
  input(description, 'dGVzdA', { minLength: 1, maxLength, pattern: '^[A-Za-z0-9_-]+={0,2}$' })
const credential = {
  id: base64url('Id of the credential.'),
  rawId: base64url('The same as bytes.'),
  type: maybe(input('Always `public-key`.', 'public-key', { maxLength: 32 })),
  authenticatorAttachment: maybe(
    input('Where the authenticator is.', 'platform', { maxLength: 32 }),
  ),
  clientExtensionResults: maybe(facts('Not looked at.', {})),
}
const clientDataJSON = base64url('What the browser says of the request.', 8192)
const authenticatorData = base64url('What the authenticator says.', 8192)
const passkeyAnswer = Type.Object(
  {
    ...credential,
    response: Type.Object(
      {
        clientDataJSON,
        authenticatorData,
        signature: base64url('The signature.', 8192),
        userHandle: maybe(
          Type.Unsafe<string | null>({
            type: ['string', 'null'],
            maxLength: 256,
            description: 'Whose credential it is.',
            examples: ['dXNyXzAwMQ'],
          }),
        ),
      },
      { ...strict, description: 'The assertion.' },
    ),
  },
  { ...strict, description: 'What `navigator.credentials.get` answered, as JSON.' },
)
const newPasskeyAnswer = Type.Object(
  {
    ...credential,
    response: Type.Object(
      {
        clientDataJSON,
        attestationObject: base64url('The attestation.', 65_536),
        transports: maybe(
          Type.Array(Type.String({ maxLength: 32 }), {
            maxItems: 10,
            description: 'How it is reached.',
            examples: [['internal']],
          }),
        ),
        // Browsers add what the attestation holds in other forms.
        authenticatorData: maybe(authenticatorData),
        publicKey: maybe(base64url('Not looked at.', 65_536)),
        publicKeyAlgorithm: maybe(count('Not looked at.', -7)),
      },
      { ...strict, description: 'The attestation.' },
    ),
  },
  { ...strict, description: 'What `navigator.credentials.create` answered, as JSON.' },
)

export const PasswordInput = Type.Object(
  { email, password },
  { ...strict, title: 'PasswordInput', description: 'Who, and the password.' },
)
export const PasskeyInput = Type.Object(
  { passkey: passkeyAnswer },
  { ...strict, title: 'PasskeyInput', description: 'The answer of a passkey.' },
)
export const SecondFactorInput = Type.Object(
  { totp: maybe(code), recoveryCode: maybe(recoveryCode), passkey: maybe(passkeyAnswer) },
  {
    ...strict,
    minProperties: 1,
    maxProperties: 1,
    title: 'SecondFactorInput',
    description: 'Exactly one of them.',
    examples: [{ totp: '492039' }],
  },
)
export const ConfirmInput = Type.Object(
  {
    totp: maybe(code),
    recoveryCode: maybe(recoveryCode),
    passkey: maybe(passkeyAnswer),
    password: maybe(password),
  },
  {
    ...strict,
    minProperties: 1,
    maxProperties: 1,
    title: 'ConfirmInput',
    description: 'Exactly one of them; the password only without a second factor.',
    examples: [{ totp: '492039' }],
  },
)

const stage = oneOf(
  ['second-factor', 'enrol', 'open'],
  'second-factor: it is still asked for. enrol: one must be set up first. open: signed in.',
  'open',
)
const factors = strings('What the second factor may be, while it is asked for.', 'totp')
export const SignedIn = Type.Object(
  { stage, factors },
  { title: 'SignedIn', description: 'How far the sign-in is. The session is in the cookie.' },
)

const Membership = Type.Object(
  {
    tenant: text('Id of the tenant.', 'ten_00000000001'),
    name: text('Its name.', 'acme'),
    role: text('The role there.', 'developer'),
  },
  { title: 'Membership', description: 'A tenant that the person belongs to.' },
)
export const Session = Type.Object(
  {
    id: text('Id of the session.', 'ses_00000000007'),
    stage,
    user: Type.Object(
      {
        id: text('Id of the person.', 'usr_00000000001'),
        email: text('Their address.', 'anna@shop.example'),
        name: text('Their name.', 'Anna'),
        platformRole: maybe(text('Their role over the installation.', 'admin')),
      },
      { description: 'Who it is.' },
    ),
    memberships: Type.Array(Membership, { description: 'Where they belong.' }),
    rules: anything('What they may do: packed CASL rules, with `*` as the wildcard.', [
      ['read', 'messages', { tenant: 'ten_00000000001' }],
    ]),
    csrfToken: text('For the header `Posthorn-Csrf` of unsafe requests.', 'q9Zk…'),
    confirmed: flag('Who it is was confirmed a short time ago; dangerous acts are open.', true),
    expiresAt: time('When it ends in any case.'),
  },
  { title: 'Session', description: 'Who is signed in, and what they may do.' },
)

export const Challenge = Type.Object(
  { options: facts('For `navigator.credentials`, as JSON.', { challenge: 'q9Zk…' }) },
  { title: 'Challenge', description: 'What a passkey is asked with.' },
)

export const AccountSession = Type.Object(
  {
    id: text('Id of the session.', 'ses_00000000007'),
    current: flag('This very one.', true),
    stage,
    method: text('What it was opened with.', 'password+totp'),
    device: text('What the browser says it is. Untrusted text.', 'Mozilla/5.0 …'),
    ip: text('Address of the last use.', '192.0.2.7'),
    place: text('Where that is, as far as known.', 'Berlin, DE'),
    createdAt: time('When it was opened.'),
    lastUsedAt: time('When it was last used.'),
    expiresAt: time('When it ends in any case.'),
  },
  { title: 'AccountSession', description: 'A device that is signed in.' },
)
export const AccountSessionList = listOf(AccountSession, 'AccountSessionList')
export const Ended = Type.Object(
  { ended: count('How many sessions were ended.', 2) },
  { title: 'Ended', description: 'What was ended.' },
)

export const AccountChange = Type.Object(
  {
    name: input('The name to be shown by.', 'Anna', {
      minLength: 1,
      maxLength: 100,
      pattern: '^[^\\x00-\\x1f\\x7f]*$',
    }),
  },
  { ...strict, title: 'AccountChange', description: 'What to change.' },
)
export const PasswordChange = Type.Object(
  {
    current: maybe(password),
    next: input('The new password. Several words make a good one.', 'seven quiet otters row home', {
      minLength: 1,
      maxLength: 1024,
    }),
  },
  { ...strict, title: 'PasswordChange', description: 'The present password and the new one.' },
)

export const Factors = Type.Object(
  {
    totp: flag('An authenticator app is set up.', true),
    passkeys: count('Passkeys.', 1),
    recoveryCodes: count('Recovery codes that are left.', 9),
    passkeyProblem: maybe(text('Why there can be no passkeys here, and the way out.', 'Use …')),
  },
  { title: 'Factors', description: 'What the account can be confirmed with.' },
)
export const TotpSecret = Type.Object(
  {
    secret: text('For typing, base32. Shown once.', 'JBSWY3DPEHPK3PXP'),
    uri: text('For a QR code. Shown once.', 'otpauth://totp/…'),
  },
  { title: 'TotpSecret', description: 'For the authenticator app; confirm it with a code.' },
)
export const TotpCode = Type.Object(
  { code },
  { ...strict, title: 'TotpCode', description: 'A code of the app.' },
)
export const RecoveryCodes = Type.Object(
  { codes: strings('Each is good once. Shown once.', 'k7m2p-9xw4t') },
  { title: 'RecoveryCodes', description: 'For the day the phone is gone.' },
)
export const Enrolled = Type.Object(
  {
    stage,
    codes: strings(
      'Recovery codes, with the first second factor; empty otherwise. Shown once.',
      'k7m2p-9xw4t',
    ),
  },
  { title: 'Enrolled', description: 'The second factor is set up.' },
)

const passkeyName = input('What to call it.', 'Laptop', {
  minLength: 1,
  maxLength: 100,
  pattern: '^[^\\x00-\\x1f\\x7f]*$',
})
export const Passkey = Type.Object(
  {
    id: text('Id of the passkey.', 'pky_00000000001'),
    name: text('What it is called.', 'Laptop'),
    synced: flag('It may be on several devices.', true),
    createdAt: time('When it was added.'),
    lastUsedAt: maybe(time('When it was last used.')),
  },
  { title: 'Passkey', description: 'A passkey of the account.' },
)
export const PasskeyList = listOf(Passkey, 'PasskeyList')
export const NewPasskey = Type.Object(
  { name: passkeyName, passkey: newPasskeyAnswer },
  { ...strict, title: 'NewPasskey', description: 'The answer of a new passkey.' },
)
export const PasskeyChange = Type.Object(
  { name: passkeyName },
  { ...strict, title: 'PasskeyChange', description: 'What to change.' },
)
