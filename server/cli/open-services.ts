/**
 * Opens what commands work with: the store, the operating settings and the use cases over them, without any engine,
 * listener or name look-up. Works beside a running server, which notices changes within a second.
 */
import { mkdirSync } from 'node:fs'
import type { Config } from '../config/schema.ts'
import type { Ports } from '../core/ports.ts'
import { makeAccess } from '../services/access.ts'
import { makeAudit } from '../services/audit.ts'
import { loadMasterKey } from '../services/auth/master-key.ts'
import { makeSeal } from '../services/auth/seal.ts'
import { afterRestore } from '../services/backup/after-restore.ts'
import { makeBackups } from '../services/backup/backups.ts'
import { backupSettings } from '../services/backup/settings.ts'
import { openCatalog } from '../services/catalog.ts'
import { makeDomains } from '../services/domains.ts'
import { makeEgress } from '../services/egress.ts'
import { makeExplain } from '../services/explain.ts'
import { makeExplainMessage } from '../services/explain-message.ts'
import { placeholderOwner, prepareInstallation } from '../services/first-start.ts'
import { openPeople } from '../services/open-people.ts'
import { makeQueue } from '../services/queue.ts'
import { makeQuotas } from '../services/quotas.ts'
import { makeRouting } from '../services/routing.ts'
import { makeSecrets } from '../services/secrets.ts'
import { NO_SYSTEM_MAIL } from '../services/system-mail.ts'
import { openStore } from '../store/open.ts'
import { baseUrl } from './reach.ts'
import type { CliServices } from './services.ts'

/**
 * An empty installation is prepared as the first start of the server would, so that it can be set up before it runs.
 * Rejects with AppError, or the system's error when the data directory cannot be used.
 */
export async function openCliServices(
  config: Config,
  ports: Ports,
  /** Version of the program. */
  program = 'unknown',
): Promise<CliServices> {
  const { clock, random, log } = ports
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
  const masterKey = loadMasterKey(config.dataDir, random)
  const store = await openStore({
    dataDir: config.dataDir,
    auditKey: masterKey.derive('audit'),
    cacheKiB: Math.round(config.store.cacheSize / 1024),
    clock,
    log,
    // Whatever waits for the writer is rejected, and that is what the command then tells.
    onFatal: (error) => log.error({ err: error }, 'the writer stopped'),
  })
  try {
    const hashKey = masterKey.derive('secret-hash')
    const seal = makeSeal(masterKey, random)
    const ownerEmail = placeholderOwner(config.hostname)
    const { setupToken } = await prepareInstallation({
      store,
      clock,
      random,
      hashKey,
      ehlo: config.delivery.ehlo ?? config.hostname,
      ownerEmail,
    })
    const catalog = await openCatalog(store, clock, log)
    const routing = await makeRouting({
      store,
      catalog,
      clock,
      // Commands ask where a delivery waits, never where a domain's mail would go.
      findMx: () => Promise.reject(new Error('Commands do not look up names.')),
    })
    const { dataDir } = config
    const settings = backupSettings(config)
    const backups = makeBackups({ store, masterKey, clock, random, log, program, settings })
    return {
      ...openPeople({
        store,
        catalog,
        clock,
        random,
        hashKey,
        publicUrl: baseUrl(config),
        mail: NO_SYSTEM_MAIL,
        requireSecondFactor: config.security.requireSecondFactor,
      }),
      access: makeAccess({ store, catalog, clock, random, hashKey }),
      audit: makeAudit({ store, key: masterKey.derive('audit') }),
      domains: makeDomains({ store, catalog, clock, seal }),
      egress: makeEgress({ store, catalog, clock, seal }),
      explain: makeExplain({ store, catalog, routing }),
      explainMessage: makeExplainMessage({ store }),
      queue: makeQueue({ store, clock }),
      quotas: makeQuotas({ store, catalog, clock }),
      backups,
      secrets: makeSecrets({ store, dataDir, masterKey, seal, clock, random, log }),
      afterRestore: (actor, facts) => afterRestore(store, actor, facts, clock.now()),
      clock,
      ...(setupToken === undefined ? {} : { notice: noticeFor(ownerEmail) }),
      async close() {
        await backups.close()
        catalog.close()
        await store.close()
      },
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

const noticeFor = (ownerEmail: string): string =>
  `This was an empty installation; it has a tenant, a route and an owner now. The owner's setup link: posthorn user setup-link ${ownerEmail}`
