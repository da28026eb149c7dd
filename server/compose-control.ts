/**
 * Part of the composition root: the control plane. People, sessions and factors, keys, what was noticed about them,
 * and what operators look after.
 */
import type { Config } from './config/schema.ts'
import type { Log, Ports } from './core/ports.ts'
import type { NewSecurityEvent, SecurityKind } from './core/security.ts'
import type { GuardedFetch } from './delivery/http/guarded.ts'
import { openRedisClient } from './queue/redis-client.ts'
import { makeAccessUses } from './services/access-uses.ts'
import type { AccessUses, NewCountryUse, Use } from './services/access-uses.ts'
import { makeAccess } from './services/access.ts'
import { makeAccountLinks } from './services/account-links.ts'
import { makeAudit } from './services/audit.ts'
import { makeAccount } from './services/auth/account.ts'
import type { MasterKey } from './services/auth/master-key.ts'
import { makePasskeys } from './services/auth/passkeys.ts'
import { checkPassword } from './services/auth/password-rules.ts'
import { makePasswords } from './services/auth/password.ts'
import type { Noticed } from './services/auth/person.ts'
import type { Places } from './services/auth/place.ts'
import { makeRecoveryCodes } from './services/auth/recovery-codes.ts'
import type { Seal } from './services/auth/seal.ts'
import { makeSessions } from './services/auth/sessions.ts'
import { makeSignIn } from './services/auth/sign-in.ts'
import { makeThrottle } from './services/auth/throttle.ts'
import { makeTotp } from './services/auth/totp.ts'
import { makeVisits } from './services/auth/visits.ts'
import { makeBackups } from './services/backup/backups.ts'
import { backupSettings } from './services/backup/settings.ts'
import type { Catalog } from './services/catalog.ts'
import { makeDomains } from './services/domains.ts'
import { makeEgress } from './services/egress.ts'
import { placeholderOwner } from './services/first-start.ts'
import type { Metrics } from './services/metrics.ts'
import { openPeople } from './services/open-people.ts'
import { makeQueue } from './services/queue.ts'
import { makeQuotas } from './services/quotas.ts'
import { makeSecrets } from './services/secrets.ts'
import { makeSecurityLog } from './services/security-log.ts'
import type { SecurityLog } from './services/security-log.ts'
import { makeSecurityNotices } from './services/security-notices.ts'
import type { SecurityNotices } from './services/security-notices.ts'
import { makeSecurityWebhook } from './services/security-webhook.ts'
import type { SecurityWebhook } from './services/security-webhook.ts'
import type { Submit } from './services/submit-contract.ts'
import { makeSystemMail } from './services/system-mail.ts'
import { formatPlace } from './core/place.ts'
import type { Store } from './store/open.ts'
import { changeUser } from './store/users.ts'
import { VERSION } from './version.ts'

export interface ControlParts {
  readonly config: Config
  readonly ports: Ports
  readonly store: Store
  readonly catalog: Catalog
  readonly masterKey: MasterKey
  readonly seal: Seal
  readonly submit: Pick<Submit, 'built'>
  readonly places: Places
  readonly securityLog: SecurityLog
  readonly notices: SecurityNotices
  readonly metrics: Pick<Metrics, 'signIn' | 'securityEvent'>
  /** How people reach this installation, without a trailing slash. */
  readonly publicUrl: string
}

const MISPLACED_EVERY_MS = 3_600_000

/** Not waited for: what is noticed does not change what is answered. */
const keeper =
  (securityLog: SecurityLog, log: Log) =>
  (event: NewSecurityEvent): void => {
    securityLog.record(event).catch((error: unknown) => {
      log.error({ err: error }, 'a security event could not be kept')
    })
  }

/** Uses of keys and logins; apart, since the ways in for mail need it before there is a control plane. */
export function composeUses({
  ports,
  store,
  places,
  masterKey,
  metrics,
  fetch,
}: Pick<ControlParts, 'ports' | 'store' | 'places' | 'masterKey' | 'metrics'> & {
  readonly fetch: GuardedFetch
}): {
  readonly uses: AccessUses
  readonly securityLog: SecurityLog
  readonly notices: SecurityNotices
  readonly webhook: SecurityWebhook
  readonly onMisplaced: (use: Use) => void
} {
  const { clock, log } = ports
  const webhook = makeSecurityWebhook({ fetch, clock, log })
  const notices = makeSecurityNotices({ store, webhook, log, key: masterKey.derive('token') })
  const securityLog = makeSecurityLog({
    store,
    clock,
    log,
    tell(id, event, at) {
      metrics.securityEvent(event.kind)
      notices.tell(id, event, at)
    },
  })
  const aboutKey = (
    kind: SecurityKind,
    use: Use,
    country: string | undefined,
  ): NewSecurityEvent => ({
    kind,
    score: 50,
    decision: 'notify',
    tenant: use.tenant,
    user: undefined,
    ip: use.ip,
    country,
    data: { kind: use.kind, name: use.name },
  })
  const keep = keeper(securityLog, log)
  const onNewCountry = (use: NewCountryUse): void =>
    keep(aboutKey('key-used-from-new-country', use, use.country))
  /** Key or login → when it was last told: a client that tries all day is one entry an hour. */
  const misplaced = new Map<string, number>()
  const onMisplaced = (use: Use): void => {
    const which = `${use.kind}/${use.id}`
    const now = clock.now()
    if (now - (misplaced.get(which) ?? -Infinity) < MISPLACED_EVERY_MS) return
    misplaced.set(which, now)
    keep(aboutKey('key-refused-network', use, places.placeOf(use.ip).country))
  }
  const uses = makeAccessUses({ store, clock, log, places, onNewCountry })
  return { uses, securityLog, notices, webhook, onMisplaced }
}

export type Control = ReturnType<typeof composeControl>

export function composeControl(parts: ControlParts) {
  const { config, ports, store, catalog, masterKey, seal, places, securityLog, publicUrl } = parts
  const { clock, random, log } = ports
  const { security } = config
  const hashKey = masterKey.derive('secret-hash')
  const mail = makeSystemMail({
    submit: parts.submit,
    catalog,
    log,
    settings: { from: config.mail.from },
  })
  const people = openPeople({
    store,
    catalog,
    clock,
    random,
    hashKey,
    publicUrl,
    mail,
    requireSecondFactor: security.requireSecondFactor,
  })
  const redis =
    config.redis.url === undefined ? undefined : openRedisClient({ url: config.redis.url, log })
  const throttle = makeThrottle({ log, redis, prefix: config.redis.prefix })

  const keep = keeper(securityLog, log)
  const notice = ({ kind, user, ip, data }: Noticed): void => {
    const country = ip === undefined ? undefined : places.placeOf(ip).country
    keep({ kind, score: 50, decision: 'notify', tenant: undefined, user, ip, country, data })
  }
  const passwords = makePasswords({ random })
  const totpSeal = {
    seal: (text: string) => seal.seal(text, 'totp'),
    open: (text: string) => seal.open(text, 'totp'),
  }
  const issuer = config.hostname
  const totp = makeTotp({ store, clock, random, seal: totpSeal, issuer, notice })
  const recoveryCodes = makeRecoveryCodes({ store, clock, random, key: hashKey, notice })
  const passkeys = makePasskeys({ store, clock, random, log, publicUrl, notice })
  const visits = makeVisits({
    store,
    clock,
    log,
    places,
    securityLog,
    links: people.links,
    mail,
    settings: security.anomaly,
    count: (outcome) => parts.metrics.signIn(outcome),
  })
  const sessions = makeSessions({
    store,
    clock,
    random,
    log,
    key: masterKey.derive('session'),
    settings: {
      idleMs: security.sessionIdle,
      lifetimeMs: security.sessionLifetime,
      devices: security.devicesPerUser,
      stepUpMs: security.stepUpFor,
    },
    async personOf(user) {
      const person = await people.people.personForSignIn(user)
      if (person === undefined || person.deactivated || person.lockedAt !== undefined)
        return undefined
      const isAsked = security.requireSecondFactor || person.mustHaveSecondFactor
      return { ...person, mustEnrol: isAsked && !person.hasSecondFactor }
    },
    placeText: (ip) => formatPlace(places.placeOf(ip)),
    judgeMove: (move) => visits.judgeMove(move),
  })
  const signIn = makeSignIn({
    personForSignIn: (who) => people.people.personForSignIn(who),
    sessions,
    passwords,
    totp,
    recoveryCodes,
    passkeys,
    throttle,
    log: visits,
    requireSecondFactor: security.requireSecondFactor,
    rehash: async (user, hash) => {
      await store.writer.write([changeUser(store, user, { password_hash: hash })], {
        unaudited: 'the same password with new parameters',
      })
    },
  })
  const check = (text: string, about: { readonly email: string; readonly name: string }): void =>
    checkPassword(text, { ...about, minLength: security.passwordMinLength })
  const backups = makeBackups({
    store,
    masterKey,
    clock,
    random,
    log,
    program: VERSION,
    settings: backupSettings(config),
  })
  return {
    ...people,
    sessions,
    signIn,
    totp,
    recoveryCodes,
    passkeys,
    throttle,
    account: makeAccount({
      store,
      clock,
      people: people.people,
      passwords,
      checkPassword: check,
      mail,
      throttle,
    }),
    accountLinks: makeAccountLinks({
      store,
      clock,
      log,
      links: people.links,
      mail,
      passwords: { check, hash: (text) => passwords.hash(text) },
      throttle,
      places,
      placeholderEmail: placeholderOwner(config.hostname),
    }),
    access: makeAccess({ store, catalog, clock, random, hashKey }),
    audit: makeAudit({
      store,
      key: masterKey.derive('audit'),
      onBroken: ({ faults, records }) =>
        keep({
          kind: 'audit-chain-broken',
          score: 100,
          decision: 'notify',
          tenant: undefined,
          user: undefined,
          ip: undefined,
          country: undefined,
          data: { records, faults: faults.slice(0, 5).map(({ text }) => text) },
        }),
    }),
    securityLog,
    notices: parts.notices,
    domains: makeDomains({ store, catalog, clock, seal }),
    egress: makeEgress({ store, catalog, clock, seal }),
    queue: makeQueue({ store, clock }),
    quotas: makeQuotas({ store, catalog, clock }),
    backups,
    secrets: makeSecrets({
      store,
      dataDir: config.dataDir,
      masterKey,
      seal,
      clock,
      random,
      log,
    }),
    /** Signs the cookie by which a browser is known again. */
    deviceKey: masterKey.derive('token'),
    async close(): Promise<void> {
      await backups.close()
      redis?.close()
    },
  }
}
