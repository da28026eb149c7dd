/**
 * What the documented examples need to be carried out: rows for their ids, and values that exist only at run time,
 * such as tokens, codes and answers of passkeys. An operation that is not in the table is carried out as it stands.
 */
import { generateSync } from 'otplib'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { encodeId } from '../../server/core/ids.ts'
import { softAuthenticator } from '../support/authenticator.ts'
import type { Person } from './people-of.ts'
import * as rows from './rows.ts'
import { ORIGIN } from './support.ts'

/** In place of what the example has; what is not named stays. */
export interface Case {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
  /** Who asks, if not the platform admin. */
  readonly as?: Person
}
export interface Scene extends rows.Scene {
  /** Who asks: a platform admin who also owns the tenant. */
  readonly admin: Person
  /** Media type of the body. */
  readonly type: string | undefined
}
export type MakeCase = (scene: Scene) => Case | Promise<Case>

const UNAUDITED = { unaudited: 'test' }

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

async function aQuota({ world }: Scene): Promise<Case> {
  await world.app.inject({
    method: 'PUT',
    url: '/v1/quotas/domain/live.example',
    headers: { authorization: `Bearer ${world.key}` },
    payload: { day: 1000, over: 'delay' },
  })
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
const token =
  (purpose: 'setup' | 'reset' | 'email-change' | 'release'): MakeCase =>
  async (scene) => {
    const { world, word } = scene
    const { id } = await rows.otherPerson(scene)
    const { link, changes } = world.control.links.forUser(purpose, id, `${word}@new.example`)
    await world.store.writer.write(changes, UNAUDITED)
    return { body: { token: rows.tokenIn(link.url) } }
  }
export const CASES: Readonly<Record<string, MakeCase>> = {
  // The envelope of JSON is in the body.
  sendRaw: ({ type }) =>
    type === 'message/rfc822' ? {} : { query: { from: undefined, to: undefined } },
  getMessage: at(rows.aMessageId),
  getMessageContent: at(rows.aMessageId),
  cancelMessage: at((scene) =>
    rows.aMessageId(scene, { sendAt: new Date(Date.now() + 86_400_000).toISOString() }),
  ),
  getDelivery: at(rows.deliveryId),
  explainDelivery: at(rows.deliveryId),

  signIn: async (scene) => ({
    body: { email: (await rows.withPassword(scene)).email, password: rows.PASSWORD },
  }),
  signInWithPasskey: async (scene) => {
    const { authenticator } = await rows.withPasskey(scene)
    const options = await scene.world.control.passkeys.signInOptions()
    return { body: { passkey: authenticator.get(options) } }
  },
  secondFactorOptions: rows.withPasskey,
  secondFactor: async (scene) => {
    const { as, code } = await rows.withTotp(scene, 'second-factor')
    return { as, body: { totp: code } }
  },
  confirmSession: async (scene) => {
    const { as, code } = await rows.withTotp(scene, 'open')
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
    as: await rows.withPassword(scene),
    body: { current: rows.PASSWORD },
  }),
  endSession: at((scene) => rows.sessionId(scene, scene.admin)),
  confirmTotp: async ({ world, admin }) => {
    const { secret } = await world.control.totp.begin(admin)
    return { body: { code: generateSync({ secret }) } }
  },
  makeRecoveryCodes: (scene) => rows.withTotp(scene, 'open'),
  removeTotp: (scene) => rows.withTotp(scene, 'open'),
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
    body: { token: await rows.invitation(scene, `${scene.word}@guest.example`) },
  }),
  acceptInvitationSignedIn: async (scene) => {
    const as = await scene.world.people({})
    return { as, body: { token: await rows.invitation(scene, as.email) } }
  },

  createTenant: named('name'),
  getTenant: at(rows.tenantId),
  changeTenant: both(at(rows.tenantId), ({ word }) => ({ body: { name: `${word}-2` } })),
  // Everybody in it must have a second factor then.
  changeOwnTenant: async (scene) => ({
    headers: { 'posthorn-tenant': await rows.tenantId(scene) },
  }),
  changeMember: at(rows.userId),
  removeMember: at(rows.userId),
  resendInvitation: at(rows.invitationId),
  revokeInvitation: at(rows.invitationId),
  changeRole: at(rows.roleId),
  removeRole: at(rows.roleId),

  addDomain: ({ word }) => ({ body: { name: `${word}.example` } }),
  getDomain: at(rows.domainId),
  changeDomain: at(rows.domainId),
  removeDomain: at(rows.domainId),
  getKey: at(rows.keyId),
  changeKey: at(rows.keyId),
  rotateKey: at(rows.keyId),
  revokeKey: at(rows.keyId),
  createCredential: named('username'),
  getCredential: at(rows.credentialId),
  changeCredential: at(rows.credentialId),
  rotateCredential: at(rows.credentialId),
  revokeCredential: at(rows.credentialId),
  setQuota: aQuota,
  removeQuota: aQuota,

  getUser: at(rows.userId),
  changeUser: at(rows.userId),
  deactivateUser: at(rows.userId),
  reactivateUser: at(rows.userId),
  releaseUser: at(rows.userId),
  resetSecondFactor: at(rows.userId),
  signOutUser: at(rows.userId),
  handleSecurityEvent: at(rows.securityId),

  suspendLane: at(rows.laneId),
  resumeLane: at(rows.laneId),
  addSource: named('name'),
  changeSource: at(rows.aSource, 'name'),
  addPool: named('name'),
  setPoolWeight: both(at(rows.aPool, 'name'), at(rows.aSource, 'source')),
  addRoute: both(named('name'), async (scene) => ({ body: { pool: await rows.aPool(scene) } })),
  removeRoute: at(rows.aRoute, 'name'),
  removeLimit: aLimit,

  makeBackup: async (scene) => {
    await rows.idle(scene)
    return {}
  },
  verifyBackup: at(rows.backupName, 'name'),
  removeBackup: at(rows.emptyBackup, 'name'),
}

async function passkeyCase(scene: Scene): Promise<Case> {
  const { as, id } = await rows.withPasskey(scene)
  return { as, params: { id } }
}
