/** Signing in and out. The session is a cookie; nothing here answers with a token. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { encodeId } from '../../core/ids.ts'
import type { Random } from '../../core/ports.ts'
import type { Passkeys } from '../../services/auth/passkeys.ts'
import type { Sessions } from '../../services/auth/sessions.ts'
import type { Proof, SignedIn as Result, SignIn, Visit } from '../../services/auth/sign-in.ts'
import { actorOf, sessionOf, whenceOf } from '../auth.ts'
import {
  clearSessionCookie,
  deviceOf,
  sessionTokenOf,
  setDeviceCookie,
  setSessionCookie,
} from '../cookies.ts'
import { refuseCrossSite } from '../csrf.ts'
import type { HttpApp } from '../http-app.ts'
import { formatInstant } from '../instant.ts'
import { Done } from '../schemas/parts.ts'
import {
  Challenge,
  ConfirmInput,
  PasskeyInput,
  PasswordInput,
  SecondFactorInput,
  Session,
  SignedIn,
} from '../schemas/session.ts'

export interface SessionDeps {
  readonly signIn: SignIn
  readonly sessions: Sessions
  readonly passkeys: Passkeys
  readonly random: Random
  /** Signs the cookie by which a browser is known again. */
  readonly deviceKey: Buffer
  readonly sessionLifetimeMs: number
  readonly publicUrl: string | undefined
}

const DEVICE_BYTES = 16
const tags = ['Session']

/** The person at the browser, and how the browser is told to keep what it gets. */
export function makeVisits(deps: Pick<SessionDeps, 'random' | 'deviceKey' | 'sessionLifetimeMs'>) {
  const { random, deviceKey, sessionLifetimeMs } = deps
  return {
    of(request: FastifyRequest): Visit & { readonly device: string } {
      const device =
        deviceOf(request, deviceKey) ?? random.bytes(DEVICE_BYTES).toString('base64url')
      return { ...whenceOf(request), device }
    },
    keep(reply: FastifyReply, visit: { readonly device: string }, token: string): void {
      setSessionCookie(reply, token, sessionLifetimeMs)
      setDeviceCookie(reply, visit.device, deviceKey)
      reply.header('cache-control', 'no-store')
    },
  }
}

/** The schema has seen to it that there is exactly one. */
export function proofOf(given: Static<typeof ConfirmInput>): Proof {
  const { totp, recoveryCode, passkey, password = '' } = given
  if (totp !== undefined) return { kind: 'totp', code: totp }
  if (recoveryCode !== undefined) return { kind: 'recovery-code', code: recoveryCode }
  if (passkey !== undefined) return { kind: 'passkey', answer: passkey }
  return { kind: 'password', password }
}

export function sessionRoutes(app: HttpApp, deps: SessionDeps): void {
  const { signIn, sessions, passkeys, publicUrl } = deps
  const visits = makeVisits(deps)
  /** Another site must not sign its visitor in as somebody else either. */
  const refuseStrangers = (request: FastifyRequest): void =>
    refuseCrossSite(request, { publicUrl, csrfToken: undefined })

  const view = ({ stage, factors }: Result) => ({ stage, factors: [...factors] })

  /** The session that the browser had before is not carried on: it gets a new token, or none. */
  async function endFormer(request: FastifyRequest): Promise<void> {
    const token = sessionTokenOf(request)
    if (token !== undefined) await sessions.endByToken(token)
  }

  app.post(
    '/v1/session',
    {
      config: {
        public: true,
        refuses: ['ORIGIN_FORBIDDEN', 'SIGN_IN_FAILED', 'ACCOUNT_LOCKED'],
      },
      schema: {
        operationId: 'signIn',
        tags,
        summary: 'Sign in with a password',
        description:
          'Sets the session cookie. With `stage` `second-factor` it can do nothing yet but give the second factor. Unknown address and wrong password are the same answer after the same time.',
        body: PasswordInput,
        response: { 200: SignedIn },
      },
    },
    async (request, reply) => {
      refuseStrangers(request)
      const visit = visits.of(request)
      const result = await signIn.withPassword(visit, request.body)
      await endFormer(request)
      visits.keep(reply, visit, result.token)
      return view(result)
    },
  )

  app.post(
    '/v1/session/passkey/options',
    {
      config: { public: true, refuses: ['ORIGIN_FORBIDDEN', 'CONFIG_INVALID'] },
      schema: {
        operationId: 'passkeyOptions',
        tags,
        summary: 'Begin a sign-in with a passkey',
        description: 'A challenge, good for one answer within five minutes.',
        response: { 200: Challenge },
      },
    },
    async (request) => {
      refuseStrangers(request)
      return { options: { ...(await passkeys.signInOptions()) } }
    },
  )

  app.post(
    '/v1/session/passkey',
    {
      config: {
        public: true,
        refuses: ['ORIGIN_FORBIDDEN', 'SIGN_IN_FAILED', 'ACCOUNT_LOCKED', 'CONFIG_INVALID'],
      },
      schema: {
        operationId: 'signInWithPasskey',
        tags,
        summary: 'Sign in with a passkey',
        description: 'Without a password and without a name: the passkey is both factors.',
        body: PasskeyInput,
        response: { 200: SignedIn },
      },
    },
    async (request, reply) => {
      refuseStrangers(request)
      const visit = visits.of(request)
      const result = await signIn.withPasskey(visit, request.body.passkey)
      await endFormer(request)
      visits.keep(reply, visit, result.token)
      return view(result)
    },
  )

  app.post(
    '/v1/session/second-factor/options',
    {
      config: { account: 'any', refuses: ['SECOND_FACTOR_WRONG', 'CONFIG_INVALID'] },
      schema: {
        operationId: 'secondFactorOptions',
        tags,
        summary: 'Ask a passkey as second factor',
        description: 'A challenge for one of the passkeys of the account.',
        response: { 200: Challenge },
      },
    },
    async (request) => {
      const { id, user, email } = sessionOf(request)
      const at = { person: { id: user, email }, session: id }
      return { options: { ...(await passkeys.secondFactorOptions(at)) } }
    },
  )

  app.post(
    '/v1/session/second-factor',
    {
      config: {
        account: 'any',
        refuses: ['SECOND_FACTOR_WRONG', 'STATE_CONFLICT', 'CONFIG_INVALID'],
      },
      schema: {
        operationId: 'secondFactor',
        tags,
        summary: 'Give the second factor',
        description: 'Completes the sign-in; the session gets a new cookie.',
        body: SecondFactorInput,
        response: { 200: SignedIn },
      },
    },
    async (request, reply) => {
      const visit = visits.of(request)
      const proof = proofOf(request.body)
      const result = await signIn.secondFactor(visit, sessionOf(request), proof)
      visits.keep(reply, visit, result.token)
      return view(result)
    },
  )

  app.post(
    '/v1/session/confirm',
    {
      config: {
        account: 'enrol',
        refuses: ['SECOND_FACTOR_WRONG', 'SIGN_IN_FAILED', 'CONFIG_INVALID'],
      },
      schema: {
        operationId: 'confirmSession',
        tags,
        summary: 'Confirm who you are',
        description:
          'Opens dangerous acts (keys, roles, exports, backups) for some minutes. The session gets a new cookie.',
        body: ConfirmInput,
        response: { 200: SignedIn },
      },
    },
    async (request, reply) => {
      const visit = visits.of(request)
      const result = await signIn.confirm(visit, sessionOf(request), proofOf(request.body))
      visits.keep(reply, visit, result.token)
      return view(result)
    },
  )

  app.get(
    '/v1/session',
    {
      config: { account: 'any' },
      schema: {
        operationId: 'getSession',
        tags,
        summary: 'Who is signed in',
        description: 'The person, where they belong, what they may do, and the CSRF token.',
        response: { 200: Session },
      },
    },
    async (request, reply) => {
      const session = sessionOf(request)
      reply.header('cache-control', 'no-store')
      const isOpen = session.stage === 'open'
      return {
        id: encodeId('session', session.id),
        stage: session.stage,
        user: {
          id: encodeId('user', session.user),
          email: session.email,
          name: session.name,
          ...(session.platformRole === undefined ? {} : { platformRole: session.platformRole }),
        },
        memberships: session.memberships.map(({ tenant, tenantName, role }) => ({
          tenant: encodeId('tenant', tenant),
          name: tenantName,
          role,
        })),
        rules: isOpen ? session.abilities.packed() : [],
        csrfToken: sessions.csrfToken(session.id),
        confirmed: sessions.isConfirmed(session),
        expiresAt: formatInstant(session.expiresAt),
      }
    },
  )

  app.delete(
    '/v1/session',
    {
      config: { account: 'any' },
      schema: {
        operationId: 'signOut',
        tags,
        summary: 'Sign out',
        description: 'Ends this session.',
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const { id, user, email } = sessionOf(request)
      await sessions.end(actorOf(request), { id: user, email }, id)
      clearSessionCookie(reply)
      return reply.code(204).send(null)
    },
  )
}
