/**
 * What the mails of the installation itself say. Plain text, and nothing in it that somebody else chose freely: a name
 * could carry an advertisement to any address. Addresses, tenant names and facts of a request are cleaned all the same.
 */

export interface MailText {
  readonly kind: string
  readonly subject: string
  readonly text: string
}

/** Of the request that led to the mail, as far as known. */
export interface RequestFacts {
  /** Epoch ms. */
  readonly at: number
  readonly ip?: string | undefined
  /** `Berlin, Germany`. */
  readonly place?: string | undefined
  /** What the browser says it is. */
  readonly device?: string | undefined
}

// Controls, line and paragraph separators, and the marks that reverse the direction of text.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g
const MAX_VALUE = 200

/** One line without control characters, of a length that leaves the rest readable. */
export const cleanLine = (value: string): string =>
  value.replace(UNSAFE, ' ').trim().slice(0, MAX_VALUE)

const whenText = (at: number): string =>
  `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`

function factLines({ at, ip, place, device }: RequestFacts): string[] {
  const lines = [`Time: ${whenText(at)}`]
  if (ip !== undefined)
    lines.push(`From: ${cleanLine(ip)}${place === undefined ? '' : ` (${cleanLine(place)})`}`)
  if (device !== undefined && device !== '') lines.push(`Device: ${cleanLine(device)}`)
  return lines
}

const mail = (
  kind: string,
  subject: string,
  ...paragraphs: (string | readonly string[])[]
): MailText => ({
  kind,
  subject: cleanLine(subject),
  text: `${paragraphs.map((one) => (typeof one === 'string' ? one : one.join('\n'))).join('\n\n')}\n`,
})

export const invitationText = (facts: {
  readonly url: string
  readonly tenant: string
  readonly role: string
  readonly invitedBy: string
  readonly expiresAt: number
}): MailText =>
  mail(
    'invitation',
    `Invitation to ${facts.tenant}`,
    `${cleanLine(facts.invitedBy)} invites you to ${cleanLine(facts.tenant)} on Posthorn, with the role ${cleanLine(facts.role)}.`,
    ['Accept here:', facts.url],
    `The link works once, until ${whenText(facts.expiresAt)}. If you do not know what this is, do nothing.`,
  )

export const setupText = (facts: { readonly url: string; readonly expiresAt: number }): MailText =>
  mail(
    'setup',
    'Your account',
    'An account on Posthorn was made for you.',
    ['Choose a password here:', facts.url],
    `The link works once, until ${whenText(facts.expiresAt)}.`,
  )

export const resetText = (facts: {
  readonly url: string
  readonly expiresAt: number
  readonly request: RequestFacts
}): MailText =>
  mail(
    'reset',
    'Set a new password',
    'Somebody asked for a new password for your account on Posthorn.',
    ['If it was you, choose one here:', facts.url],
    `The link works once, until ${whenText(facts.expiresAt)}. If it was not you, do nothing: your password stays as it is.`,
    factLines(facts.request),
  )

export const emailChangeText = (facts: {
  readonly url: string
  readonly expiresAt: number
}): MailText =>
  mail(
    'email-change',
    'Confirm your new address',
    'This address is to become that of an account on Posthorn.',
    ['If you want that, confirm it here:', facts.url],
    `The link works once, until ${whenText(facts.expiresAt)}. If you do not know what this is, do nothing.`,
  )

export const releaseText = (facts: {
  readonly url: string
  readonly expiresAt: number
  readonly request: RequestFacts
}): MailText =>
  mail(
    'release',
    'Your account is locked',
    'A sign-in to your account on Posthorn was so unusual that the account was locked.',
    ['If it was you, release it here and sign in again:', facts.url],
    `The link works once, until ${whenText(facts.expiresAt)}. If it was not you, leave the account locked and tell who runs this installation.`,
    factLines(facts.request),
  )

const NOTICES = {
  'password-changed': {
    subject: 'Your password was changed',
    text: 'The password of your account on Posthorn was changed, and you were signed out everywhere.',
  },
  'second-factor-changed': {
    subject: 'Your second factor was changed',
    text: 'What you confirm a sign-in with was changed for your account on Posthorn.',
  },
  'second-factor-reset': {
    subject: 'Your second factor was removed',
    text: 'An administrator removed the second factor of your account on Posthorn, and you were signed out everywhere.',
  },
  'new-sign-in': {
    subject: 'New sign-in to your account',
    text: 'Somebody signed in to your account on Posthorn from a place or device that is new.',
  },
  'email-change-asked': {
    subject: 'Your address is to be changed',
    text: 'Somebody asked to give your account on Posthorn another address. This one stays until the new one is confirmed.',
  },
  'email-changed': {
    subject: 'Your address was changed',
    text: 'Your account on Posthorn has another address now. This is the last mail to this one.',
  },
} as const satisfies Record<string, { subject: string; text: string }>
export type NoticeKind = keyof typeof NOTICES

export const noticeText = (kind: NoticeKind, request: RequestFacts): MailText =>
  mail(
    kind,
    NOTICES[kind].subject,
    NOTICES[kind].text,
    factLines(request),
    'If it was not you, set a new password at once and tell who runs this installation.',
  )
