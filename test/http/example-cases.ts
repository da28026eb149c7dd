/**
 * What the documented examples need to be carried out: rows for their ids, and values that exist only at run time,
 * such as tokens, codes and answers of passkeys. An operation that is not in the table is carried out as it stands.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { generateSync } from 'otplib'
import { expect, vi } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { decodeId, encodeId } from '../../server/core/ids.ts'
import type { IdKind } from '../../server/core/ids.ts'
import { realRandom } from '../../server/ports.ts'
import { OPERATOR_GRANT } from '../../server/services/access-terms.ts'
import { makePasswords } from '../../server/services/auth/password.ts'
import { insertDomain } from '../../server/store/domains.ts'
import { insertInvitation } from '../../server/store/invitations.ts'
import { ensureLane } from '../../server/store/lanes.ts'
import { changeUser } from '../../server/store/users.ts'
import { softAuthenticator } from '../support/authenticator.ts'
import type { Authenticator } from '../support/authenticator.ts'
import type { Person } from './people-of.ts'
import { aMessage, ORIGIN } from './support.ts'
import type { World } from './support.ts'

/** In place of what the example has; what is not named stays. */
export interface Case {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
  /** Who asks, if not the platform admin. */
  readonly as?: Person
}
export interface Scene {
  readonly world: World
  /** Who asks: a platform admin who also owns the tenant. */
  readonly admin: Person
  /** Media type of the body. */
  readonly type: string | undefined
  /** A word that nothing is called yet. */
  readonly word: string
}
export type MakeCase = (scene: Scene) => Case | Promise<Case>

const PASSWORD = 'correct horse battery staple'
const UNAUDITED = { unaudited: 'test' }
const passwords = makePasswords({ random: realRandom })

const named =
  (field: string): MakeCase =>
  ({ word }) => ({ body: { [field]: word } })
const at =
  (make: (scene: Scene) => Promise<string>, name = 'id'): MakeCase =>
  async (scene) => ({
    params: { [name]: await make(scene) },
  })
const both =
  (...makers: readonly MakeCase[]): MakeCase =>
  async (scene) => {
    const params: Record<string, string> = {}
    const body: Record<string, unknown> = {}
    for (const make of makers) {
      const part = await make(scene)
      Object.assign(params, part.params)
      Object.assign(body, part.body)
    }
    return { params, body }
  }

export async function aMessageId({ world }: Scene, more: object = {}): Promise<string> {
  const answer = await world.post('/v1/messages', aMessage({ ...more }))
  return answer.json<{ id: string }>().id
}
async function deliveryId({ world }: Scene): Promise<string> {
  const answer = await world.post('/v1/messages', aMessage())
  return answer.json<{ deliveries: { id: string }[] }>().deliveries[0]!.id
}
async function tenantId({ world, word }: Scene): Promise<string> {
  return encodeId('tenant', await world.newTenant(word))
}
const otherPerson = ({ world }: Scene): Promise<Person> => world.people({ role: 'analyst' })
const userId = async (scene: Scene): Promise<string> =>
  encodeId('user', (await otherPerson(scene)).id)
async function sessionId({ world, admin }: Scene): Promise<string> {
  const opened = await world.control.sessions.open({
    user: admin.id,
    email: admin.email,
    stage: 'open',
    method: 'password',
    whence: { ip: '127.0.0.1', userAgent: 'another', requestId: undefined },
  })
  return encodeId('session', opened.id)
}
async function roleId({ world, word }: Scene): Promise<string> {
  const role = { name: word, title: 'T', permissions: ['messages:read'], secondFactor: false }
  const { id } = await world.control.roles.add(SYSTEM_ACTOR, world.tenant, role)
  return encodeId('role', id!)
}
async function domainId({ world, word }: Scene): Promise<string> {
  const { store, tenant, catalog } = world
  const domain = { tenant, name: `${word}.example`, verifiedAt: undefined, dkim: [] }
  const id = await insertDomain(store, domain, { now: Date.now(), record: UNAUDITED })
  await catalog.refresh()
  return encodeId('domain', id)
}
async function keyId({ world }: Scene): Promise<string> {
  const { key } = await world.access.keys.create(SYSTEM_ACTOR, world.tenant, {
    name: 'seed',
    scopes: ['messages:send'],
    mode: 'live',
    grant: OPERATOR_GRANT,
  })
  return encodeId('key', key.id)
}
async function credentialId({ world, word }: Scene): Promise<string> {
  const spec = { username: word, grant: OPERATOR_GRANT }
  const { credential } = await world.access.credentials.create(SYSTEM_ACTOR, world.tenant, spec)
  return encodeId('credential', credential.id)
}
async function securityId({ world }: Scene): Promise<string> {
  const id = await world.control.securityLog.record({
    kind: 'new-country',
    score: 50,
    decision: 'notify',
    tenant: world.tenant,
    user: undefined,
    ip: '192.0.2.7',
    country: 'DE',
    data: { reasons: ['First sign-in from DE.'] },
  })
  return encodeId('security', id)
}
async function laneId(scene: Scene): Promise<string> {
  const { store, control } = scene.world
  const name = await aSource({ ...scene, word: `${scene.word}-lane` })
  const { id: source } = control.egress.sources().find((one) => one.name === name)!
  const destination = { kind: 'mx', provider: undefined, site: 'mx1.dest.example' } as const
  return encodeId('lane', await ensureLane(store, { source, destination }, Date.now()))
}
async function aSource({ world, word }: Scene): Promise<string> {
  const source = { name: word, ip: undefined, ehlo: 'mail.test' }
  await world.control.egress.addSource(SYSTEM_ACTOR, source)
  return word
}
async function aPool({ world, word }: Scene): Promise<string> {
  await world.control.egress.addPool(SYSTEM_ACTOR, word)
  return word
}
async function aRoute(scene: Scene): Promise<string> {
  const { world, word } = scene
  const route = { name: word, position: 7, match: {}, to: { pool: await aPool(scene) } }
  await world.control.egress.addRoute(SYSTEM_ACTOR, route)
  return word
}
async function aQuota({ world }: Scene): Promise<Case> {
  const target = { tenant: world.tenant, scope: 'domain', name: 'live.example' } as const
  const quota = { limits: { day: 1000 }, over: 'delay' } as const
  await world.control.quotas.set(SYSTEM_ACTOR, target, quota)
  return { params: { scope: 'domain', name: 'live.example' } }
}
async function aLimit({ world }: Scene): Promise<Case> {
  const entry = {
    scope: 'destination',
    key: 'provider:google',
    limits: { connections: 3 },
    note: undefined,
  } as const
  await world.control.egress.setLimits(SYSTEM_ACTOR, entry)
  return {}
}
/** Backups are made one at a time. */
const idle = ({ world }: Scene): Promise<void> =>
  vi.waitFor(
    async () => {
      const states = (await world.control.backups.list()).map(({ state }) => state)
      expect(states).not.toContain('running')
    },
    { timeout: 15_000, interval: 100 },
  )
async function backupName(scene: Scene): Promise<string> {
  await idle(scene)
  return (await scene.world.control.backups.create(SYSTEM_ACTOR)).name
}
/** Enough to be deleted. */
function emptyBackup({ world, word }: Scene): Promise<string> {
  const folder = join(dirname(world.store.file), 'backups')
  const name = `posthorn-2026-01-01T03-15-00-000Z-${word}.phb`
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), '')
  return Promise.resolve(name)
}

// People.

async function withPassword({ world }: Scene): Promise<Person> {
  const person = await world.people({ role: 'analyst' })
  const change = { password_hash: await passwords.hash(PASSWORD) }
  await world.store.writer.write([changeUser(world.store, person.id, change)], UNAUDITED)
  return person
}
/** With an authenticator app; `code` is one that was not used. */
async function withTotp(
  { world }: Scene,
  stage: 'open' | 'second-factor',
): Promise<{ as: Person; code: string }> {
  const as = await world.people({ role: 'analyst', stage })
  const person = { id: as.id, email: as.email }
  const { secret } = await world.control.totp.begin(person)
  const now = Math.floor(Date.now() / 1000)
  const codeAt = (epoch: number): string => generateSync({ secret, epoch })
  await world.control.totp.confirm(SYSTEM_ACTOR, person, codeAt(now - 30))
  return { as, code: codeAt(now) }
}
async function withPasskey({
  world,
}: Scene): Promise<{ as: Person; id: string; authenticator: Authenticator }> {
  const as = await world.people({ role: 'analyst' })
  const authenticator = softAuthenticator({ origin: ORIGIN })
  const at = { person: { id: as.id, email: as.email }, session: as.session }
  const { passkeys } = world.control
  const answer = authenticator.create(await passkeys.registerOptions(at, 'A Person'))
  const { id } = await passkeys.register(SYSTEM_ACTOR, at, { name: 'Laptop', answer })
  return { as, id: encodeId('passkey', id), authenticator }
}
const tokenIn = (url: string): string => url.slice(url.indexOf('#token=') + '#token='.length)
const token =
  (purpose: 'setup' | 'reset' | 'email-change' | 'release'): MakeCase =>
  async (scene) => {
    const { world, word } = scene
    const { id } = await otherPerson(scene)
    const { link, changes } = world.control.links.forUser(purpose, id, `${word}@new.example`)
    await world.store.writer.write(changes, UNAUDITED)
    return { body: { token: tokenIn(link.url) } }
  }
async function invitation({ world }: Scene, email: string): Promise<string> {
  const { store, tenant, control } = world
  const { url, hash, expiresAt } = control.links.make('invitation')
  const wish = { tenant, email, role: 'analyst', hash, invitedBy: 'anna@shop.example', expiresAt }
  await store.writer.write([insertInvitation(store, wish, Date.now())], UNAUDITED)
  return tokenIn(url)
}
async function invitationId({ world, word }: Scene): Promise<string> {
  const wish = { email: `${word}@guest.example`, role: 'analyst' }
  const sent = await world.control.invitations.create(SYSTEM_ACTOR, world.tenant, wish)
  return encodeId('invitation', sent.invitation.id)
}

export const CASES: Readonly<Record<string, MakeCase>> = {
  // The envelope of JSON is in the body.
  sendRaw: ({ type }) =>
    type === 'message/rfc822' ? {} : { query: { from: undefined, to: undefined } },
  getMessage: at(aMessageId),
  getMessageContent: at(aMessageId),
  cancelMessage: at((scene) =>
    aMessageId(scene, { sendAt: new Date(Date.now() + 86_400_000).toISOString() }),
  ),
  getDelivery: at(deliveryId),
  explainDelivery: at(deliveryId),

  signIn: async (scene) => ({
    body: { email: (await withPassword(scene)).email, password: PASSWORD },
  }),
  signInWithPasskey: async (scene) => {
    const { authenticator } = await withPasskey(scene)
    const options = await scene.world.control.passkeys.signInOptions()
    return { body: { passkey: authenticator.get(options) } }
  },
  secondFactorOptions: withPasskey,
  secondFactor: async (scene) => {
    const { as, code } = await withTotp(scene, 'second-factor')
    return { as, body: { totp: code } }
  },
  confirmSession: async (scene) => {
    const { as, code } = await withTotp(scene, 'open')
    return { as, body: { totp: code } }
  },

  lookAtLink: token('setup'),
  setUpAccount: async (scene) => {
    const { body } = await token('setup')(scene)
    // Only the first owner may give another address.
    return { body: { ...body, email: undefined } }
  },
  finishPasswordReset: token('reset'),
  finishEmailChange: token('email-change'),
  releaseAccount: token('release'),
  changePassword: async (scene) => ({
    as: await withPassword(scene),
    body: { current: PASSWORD },
  }),
  endSession: at(sessionId),
  confirmTotp: async ({ world, admin }) => {
    const { secret } = await world.control.totp.begin(admin)
    return { body: { code: generateSync({ secret }) } }
  },
  makeRecoveryCodes: (scene) => withTotp(scene, 'open'),
  removeTotp: (scene) => withTotp(scene, 'open'),
  addPasskey: async ({ world, admin }) => {
    const place = { person: admin, session: admin.session }
    const options = await world.control.passkeys.registerOptions(place, 'A Person')
    return { body: { passkey: softAuthenticator({ origin: ORIGIN }).create(options) } }
  },
  renamePasskey: passkeyCase,
  removePasskey: passkeyCase,
  leaveTenant: async (scene) => {
    await scene.world.people({ role: 'owner' })
    return { params: { id: encodeId('tenant', scene.world.tenant) } }
  },
  acceptInvitation: async (scene) => ({
    body: { token: await invitation(scene, `${scene.word}@guest.example`) },
  }),
  acceptInvitationSignedIn: async (scene) => {
    const as = await scene.world.people({})
    return { as, body: { token: await invitation(scene, as.email) } }
  },

  createTenant: named('name'),
  getTenant: at(tenantId),
  changeTenant: both(at(tenantId), ({ word }) => ({ body: { name: `${word}-2` } })),
  // Everybody in it must have a second factor then.
  changeOwnTenant: async (scene) => ({ headers: { 'posthorn-tenant': await tenantId(scene) } }),
  changeMember: at(userId),
  removeMember: at(userId),
  resendInvitation: at(invitationId),
  revokeInvitation: at(invitationId),
  changeRole: at(roleId),
  removeRole: at(roleId),

  addDomain: ({ word }) => ({ body: { name: `${word}.example` } }),
  getDomain: at(domainId),
  changeDomain: at(domainId),
  removeDomain: at(domainId),
  getKey: at(keyId),
  changeKey: at(keyId),
  rotateKey: at(keyId),
  revokeKey: at(keyId),
  createCredential: named('username'),
  getCredential: at(credentialId),
  changeCredential: at(credentialId),
  rotateCredential: at(credentialId),
  revokeCredential: at(credentialId),
  setQuota: aQuota,
  removeQuota: aQuota,

  getUser: at(userId),
  changeUser: at(userId),
  deactivateUser: at(userId),
  reactivateUser: at(userId),
  releaseUser: at(userId),
  resetSecondFactor: at(userId),
  signOutUser: at(userId),
  handleSecurityEvent: at(securityId),

  suspendLane: at(laneId),
  resumeLane: at(laneId),
  addSource: named('name'),
  changeSource: at(aSource, 'name'),
  addPool: named('name'),
  setPoolWeight: both(at(aPool, 'name'), at(aSource, 'source')),
  addRoute: both(named('name'), async (scene) => ({ body: { pool: await aPool(scene) } })),
  removeRoute: at(aRoute, 'name'),
  removeLimit: aLimit,

  makeBackup: async (scene) => {
    await idle(scene)
    return {}
  },
  verifyBackup: at(backupName, 'name'),
  removeBackup: at(emptyBackup, 'name'),
}

async function passkeyCase(scene: Scene): Promise<Case> {
  const { as, id } = await withPasskey(scene)
  return { as, params: { id } }
}

/** Ids of things of the tenant, for requests that are made up. */
export const SEEDS: Readonly<Partial<Record<IdKind, (scene: Scene) => Promise<string>>>> = {
  message: aMessageId,
  delivery: deliveryId,
  tenant: tenantId,
  user: userId,
  session: sessionId,
  role: roleId,
  domain: domainId,
  key: keyId,
  credential: credentialId,
  security: securityId,
  lane: laneId,
  invitation: invitationId,
  passkey: async (scene) => (await withPasskey(scene)).id,
}

/** Whether a text is an id of a kind that is known; for those who replace ids in paths. */
export const kindOf = (text: string): IdKind | undefined =>
  (Object.keys(SEEDS) as IdKind[]).find((kind) => decodeId(kind, text) !== undefined)
