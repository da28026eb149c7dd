/** The second factors of who is signed in: authenticator app, recovery codes, passkeys. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Actor } from '../../core/audit.ts'
import { AppError } from '../../core/errors.ts'
import { encodeId } from '../../core/ids.ts'
import type { SessionFacts } from '../../services/auth/caller.ts'
import type { PasskeyInfo } from '../../services/auth/passkeys.ts'
import type { RecoveryCodes } from '../../services/auth/recovery-codes.ts'
import type { Totp } from '../../services/auth/totp.ts'
import { actorOf, sessionOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { idOf } from '../ids.ts'
import { formatInstant } from '../instant.ts'
import { Done } from '../schemas/parts.ts'
import { PasskeyParams } from '../schemas/query.ts'
import * as schemas from '../schemas/session.ts'
import { makeVisits } from './session.ts'
import type { SessionDeps } from './session.ts'

export interface FactorDeps extends SessionDeps {
  readonly totp: Totp
  readonly recoveryCodes: RecoveryCodes
}

const tags = ['Account']
/**
 * Adding a factor asks for a fresh proof, unless none is there yet: then the sign-in itself is what the session has.
 * A session that must enrol has just been opened.
 */
const add = { account: 'enrol' } as const
const change = { account: 'open', stepUp: true } as const

const passkeyView = (passkey: PasskeyInfo) => ({
  id: encodeId('passkey', passkey.id),
  name: passkey.name,
  synced: passkey.synced,
  createdAt: formatInstant(passkey.createdAt),
  ...(passkey.lastUsedAt === undefined ? {} : { lastUsedAt: formatInstant(passkey.lastUsedAt) }),
})

const personOf = ({ user, email }: SessionFacts) => ({ id: user, email })
const placeOf = (session: SessionFacts) => ({ person: personOf(session), session: session.id })

export function factorRoutes(app: HttpApp, deps: FactorDeps): void {
  const { totp, recoveryCodes, passkeys, signIn } = deps
  const visits = makeVisits(deps)

  /** Recovery codes come with the first factor; a session that had to enrol is open now. */
  async function enrolled(request: FastifyRequest, reply: FastifyReply) {
    const session = sessionOf(request)
    const codes = await codesIfNone(actorOf(request), session)
    const visit = visits.of(request)
    const result = await signIn.enrolled(visit, session)
    visits.keep(reply, visit, result.token)
    return { stage: result.stage, codes: [...codes] }
  }
  const codesIfNone = async (actor: Actor, session: SessionFacts): Promise<readonly string[]> =>
    (await recoveryCodes.remaining(session.user)) > 0
      ? []
      : recoveryCodes.create(actor, personOf(session))

  /** Recovery codes are for a second factor; without one they would be one themselves. */
  async function forgetCodes(actor: Actor, session: SessionFacts): Promise<void> {
    if (await hasFactor(session)) return
    await recoveryCodes.remove(actor, personOf(session))
  }
  const hasFactor = async ({ user }: SessionFacts): Promise<boolean> =>
    (await totp.isActive(user)) || (await passkeys.list(user)).length > 0

  app.get(
    '/v1/account/factors',
    {
      config: { account: 'enrol' },
      schema: {
        operationId: 'getFactors',
        tags,
        summary: 'Your second factors',
        description: 'What the account can be confirmed with.',
        response: { 200: schemas.Factors },
      },
    },
    async (request) => {
      const { user } = sessionOf(request)
      return {
        totp: await totp.isActive(user),
        passkeys: (await passkeys.list(user)).length,
        recoveryCodes: await recoveryCodes.remaining(user),
        ...(passkeys.problem === undefined ? {} : { passkeyProblem: passkeys.problem }),
      }
    },
  )

  app.post(
    '/v1/account/totp',
    {
      config: { ...add, stepUp: true },
      schema: {
        operationId: 'beginTotp',
        tags,
        summary: 'Set up an authenticator app',
        description:
          'A secret for the app. It counts once a code has shown that the app has it; until then the former one stays.',
        response: { 200: schemas.TotpSecret },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store')
      return totp.begin(personOf(sessionOf(request)))
    },
  )

  app.post(
    '/v1/account/totp/confirm',
    {
      config: { ...add, stepUp: true, refuses: ['SECOND_FACTOR_WRONG', 'STATE_CONFLICT'] },
      schema: {
        operationId: 'confirmTotp',
        tags,
        summary: 'Confirm the authenticator app',
        description: 'With a code of it. The session gets a new cookie.',
        body: schemas.TotpCode,
        response: { 200: schemas.Enrolled },
      },
    },
    async (request, reply) => {
      await totp.confirm(actorOf(request), personOf(sessionOf(request)), request.body.code)
      return enrolled(request, reply)
    },
  )

  app.delete(
    '/v1/account/totp',
    {
      config: { ...change, refuses: ['NOT_FOUND'] },
      schema: {
        operationId: 'removeTotp',
        tags,
        summary: 'Remove the authenticator app',
        description: 'Recovery codes go with the last second factor.',
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const session = sessionOf(request)
      await totp.remove(actorOf(request), personOf(session))
      await forgetCodes(actorOf(request), session)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/v1/account/recovery-codes',
    {
      config: { ...change, refuses: ['STATE_CONFLICT'] },
      schema: {
        operationId: 'makeRecoveryCodes',
        tags,
        summary: 'Make new recovery codes',
        description: 'Ten, each good once; those before end.',
        response: { 200: schemas.RecoveryCodes },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store')
      const session = sessionOf(request)
      if (!(await hasFactor(session)))
        throw new AppError('STATE_CONFLICT', {
          public: 'Recovery codes stand in for a second factor; set one up first.',
        })
      const codes = await recoveryCodes.create(actorOf(request), personOf(session))
      return { codes: [...codes] }
    },
  )

  app.get(
    '/v1/account/passkeys',
    {
      config: { account: 'enrol' },
      schema: {
        operationId: 'listPasskeys',
        tags,
        summary: 'List your passkeys',
        description: 'Every passkey of the account.',
        response: { 200: schemas.PasskeyList },
      },
    },
    async (request) => ({
      items: (await passkeys.list(sessionOf(request).user)).map(passkeyView),
    }),
  )

  app.post(
    '/v1/account/passkeys/options',
    {
      config: { ...add, stepUp: true, refuses: ['CONFIG_INVALID', 'STATE_CONFLICT'] },
      schema: {
        operationId: 'newPasskeyOptions',
        tags,
        summary: 'Begin a new passkey',
        description: 'A challenge, good for one answer within five minutes.',
        response: { 200: schemas.Challenge },
      },
    },
    async (request) => {
      const session = sessionOf(request)
      return { options: { ...(await passkeys.registerOptions(placeOf(session), session.name)) } }
    },
  )

  app.post(
    '/v1/account/passkeys',
    {
      config: {
        ...add,
        stepUp: true,
        refuses: ['PASSKEY_INVALID', 'CONFIG_INVALID', 'STATE_CONFLICT'],
      },
      schema: {
        operationId: 'addPasskey',
        tags,
        summary: 'Add a passkey',
        description: 'The session gets a new cookie.',
        body: schemas.NewPasskey,
        response: { 200: schemas.Enrolled },
      },
    },
    async (request, reply) => {
      const { name, passkey: answer } = request.body
      const at = placeOf(sessionOf(request))
      await passkeys.register(actorOf(request), at, { name, answer })
      return enrolled(request, reply)
    },
  )

  app.patch(
    '/v1/account/passkeys/:id',
    {
      config: { account: 'open' },
      schema: {
        operationId: 'renamePasskey',
        tags,
        summary: 'Rename a passkey',
        description: 'So that you know which device it is.',
        params: PasskeyParams,
        body: schemas.PasskeyChange,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const person = personOf(sessionOf(request))
      const id = idOf('passkey', request.params.id)
      await passkeys.rename(actorOf(request), person, id, request.body.name)
      return reply.code(204).send(null)
    },
  )

  app.delete(
    '/v1/account/passkeys/:id',
    {
      config: change,
      schema: {
        operationId: 'removePasskey',
        tags,
        summary: 'Remove a passkey',
        description: 'It opens nothing any more. Recovery codes go with the last second factor.',
        params: PasskeyParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const session = sessionOf(request)
      const id = idOf('passkey', request.params.id)
      await passkeys.remove(actorOf(request), personOf(session), id)
      await forgetCodes(actorOf(request), session)
      return reply.code(204).send(null)
    },
  )
}
