/**
 * Rows of every kind over a world of HTTP tests, made by the services where they make them quickly. Each function makes
 * one and resolves with what the API calls it by.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { generateSync } from 'otplib'
import { expect, vi } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { encodeId } from '../../server/core/ids.ts'
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

export interface Scene {
  readonly world: World
  /** A word that nothing is called yet. */
  readonly word: string
}
/** Of people made by `withPassword`. */
export const PASSWORD = 'correct horse battery staple'
const UNAUDITED = { unaudited: 'test' }
const passwords = makePasswords({ random: realRandom })

export async function aMessageId({ world }: Scene, more: object = {}): Promise<string> {
  const answer = await world.post('/v1/messages', aMessage({ ...more }))
  return answer.json<{ id: string }>().id
}
export async function deliveryId({ world }: Scene): Promise<string> {
  const answer = await world.post('/v1/messages', aMessage())
  return answer.json<{ deliveries: { id: string }[] }>().deliveries[0]!.id
}
export async function tenantId({ world, word }: Scene): Promise<string> {
  return encodeId('tenant', await world.newTenant(word))
}
export const otherPerson = ({ world }: Scene): Promise<Person> => world.people({ role: 'analyst' })
export const userId = async (scene: Scene): Promise<string> =>
  encodeId('user', (await otherPerson(scene)).id)
export async function sessionId({ world }: Scene, admin: Person): Promise<string> {
  const opened = await world.control.sessions.open({
    user: admin.id,
    email: admin.email,
    stage: 'open',
    method: 'password',
    whence: { ip: '127.0.0.1', userAgent: 'another', requestId: undefined },
  })
  return encodeId('session', opened.id)
}
export async function roleId({ world, word }: Scene): Promise<string> {
  const role = { name: word, title: 'T', permissions: ['messages:read'], secondFactor: false }
  const { id } = await world.control.roles.add(SYSTEM_ACTOR, world.tenant, role)
  return encodeId('role', id!)
}
export async function domainId({ world, word }: Scene): Promise<string> {
  const { store, tenant, catalog } = world
  const domain = { tenant, name: `${word}.example`, verifiedAt: undefined, dkim: [] }
  const id = await insertDomain(store, domain, { now: Date.now(), record: UNAUDITED })
  await catalog.refresh()
  return encodeId('domain', id)
}
export async function keyId({ world }: Scene): Promise<string> {
  const { key } = await world.access.keys.create(SYSTEM_ACTOR, world.tenant, {
    name: 'seed',
    scopes: ['messages:send'],
    mode: 'live',
    grant: OPERATOR_GRANT,
  })
  return encodeId('key', key.id)
}
export async function credentialId({ world, word }: Scene): Promise<string> {
  const spec = { username: word, grant: OPERATOR_GRANT }
  const { credential } = await world.access.credentials.create(SYSTEM_ACTOR, world.tenant, spec)
  return encodeId('credential', credential.id)
}
export async function securityId({ world }: Scene): Promise<string> {
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
export async function laneId(scene: Scene): Promise<string> {
  const { store, control } = scene.world
  const name = await aSource({ ...scene, word: `${scene.word}-lane` })
  const { id: source } = control.egress.sources().find((one) => one.name === name)!
  const destination = { kind: 'mx', provider: undefined, site: 'mx1.dest.example' } as const
  return encodeId('lane', await ensureLane(store, { source, destination }, Date.now()))
}
export async function aSource({ world, word }: Scene): Promise<string> {
  const source = { name: word, ip: undefined, ehlo: 'mail.test' }
  await world.control.egress.addSource(SYSTEM_ACTOR, source)
  return word
}
export async function aPool({ world, word }: Scene): Promise<string> {
  await world.control.egress.addPool(SYSTEM_ACTOR, word)
  return word
}
export async function aRoute(scene: Scene): Promise<string> {
  const { world, word } = scene
  const route = { name: word, position: 7, match: {}, to: { pool: await aPool(scene) } }
  await world.control.egress.addRoute(SYSTEM_ACTOR, route)
  return word
}
/** Backups are made one at a time. */
export const idle = ({ world }: Scene): Promise<void> =>
  vi.waitFor(
    async () => {
      const states = (await world.control.backups.list()).map(({ state }) => state)
      expect(states).not.toContain('running')
    },
    { timeout: 15_000, interval: 100 },
  )
export async function backupName(scene: Scene): Promise<string> {
  await idle(scene)
  return (await scene.world.control.backups.create(SYSTEM_ACTOR)).name
}
/** Enough to be deleted. */
export function emptyBackup({ world, word }: Scene): Promise<string> {
  const folder = join(dirname(world.store.file), 'backups')
  const name = `posthorn-2026-01-01T03-15-00-000Z-${word}.phb`
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, name), '')
  return Promise.resolve(name)
}

// People.

export async function withPassword({ world }: Scene): Promise<Person> {
  const person = await world.people({ role: 'analyst' })
  const change = { password_hash: await passwords.hash(PASSWORD) }
  await world.store.writer.write([changeUser(world.store, person.id, change)], UNAUDITED)
  return person
}
/** With an authenticator app; `code` is one that was not used. */
export async function withTotp(
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
export async function withPasskey({
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
export async function invitation({ world }: Scene, email: string): Promise<string> {
  const { store, tenant, control } = world
  const { url, hash, expiresAt } = control.links.make('invitation')
  const wish = { tenant, email, role: 'analyst', hash, invitedBy: 'anna@shop.example', expiresAt }
  await store.writer.write([insertInvitation(store, wish, Date.now())], UNAUDITED)
  return tokenIn(url)
}
export async function invitationId({ world, word }: Scene): Promise<string> {
  const wish = { email: `${word}@guest.example`, role: 'analyst' }
  const sent = await world.control.invitations.create(SYSTEM_ACTOR, world.tenant, wish)
  return encodeId('invitation', sent.invitation.id)
}

export const tokenIn = (url: string): string => url.slice(url.indexOf('#token=') + '#token='.length)

/** Ids of things of the tenant, for requests that are made up. */
export const SEEDS: Readonly<Partial<Record<IdKind, (scene: Scene) => Promise<string>>>> = {
  message: aMessageId,
  delivery: deliveryId,
  tenant: tenantId,
  user: userId,
  session: async (scene) => sessionId(scene, await otherPerson(scene)),
  role: roleId,
  domain: domainId,
  key: keyId,
  credential: credentialId,
  security: securityId,
  lane: laneId,
  invitation: invitationId,
  passkey: async (scene) => (await withPasskey(scene)).id,
}
