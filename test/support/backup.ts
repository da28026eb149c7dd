/** A data directory with a key, mail in rows and in spool files, and sealed secrets, for backups to be made of. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Actor } from '../../server/core/audit.ts'
import { realRandom } from '../../server/ports.ts'
import { loadMasterKey } from '../../server/services/auth/master-key.ts'
import type { MasterKey } from '../../server/services/auth/master-key.ts'
import { makeSeal } from '../../server/services/auth/seal.ts'
import type { Seal } from '../../server/services/auth/seal.ts'
import { makeBackups } from '../../server/services/backup/backups.ts'
import type { Backups, BackupSettings } from '../../server/services/backup/contract.ts'
import type { TargetSettings } from '../../server/services/backup/target.ts'
import { openBodies } from '../../server/store/body.ts'
import type { Bodies } from '../../server/store/body.ts'
import { nextId } from '../../server/store/rows.ts'
import { aMessage } from './builders.ts'
import { manualClock } from './clock.ts'
import type { ManualClock } from './clock.ts'
import { openTestStore } from './store.ts'
import type { TestStore } from './store.ts'

export const KEY = 'ab'.repeat(32)

export const OPERATOR: Actor = {
  kind: 'operator',
  id: undefined,
  name: 'anna',
  means: 'cli',
  ip: undefined,
  country: undefined,
  requestId: undefined,
}

export interface Installation extends TestStore {
  readonly clock: ManualClock
  /** Everything of the test, beside the data directory. */
  readonly root: string
  /** Folder of the target. */
  readonly folder: string
  readonly masterKey: MasterKey
  readonly seal: Seal
  readonly bodies: Bodies
  readonly backups: Backups
  /** The same with other settings. */
  backupsWith(settings: Partial<BackupSettings>): Backups
  /** Accepts a message with a spool file of so many bytes; resolves with the file's name. */
  spooled(bytes: number): Promise<string>
}

/** 21 messages to 41 recipients, one of them in a spool file, and a sealed DKIM key. */
export async function installation(target?: TargetSettings): Promise<Installation> {
  const root = mkdtempSync(join(tmpdir(), 'posthorn-backup-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const dataDir = join(root, 'data')
  const folder = join(root, 'backups')
  mkdirSync(dataDir)
  writeFileSync(join(dataDir, 'master.key'), `${KEY}\n`, { mode: 0o600 })
  const masterKey = loadMasterKey(dataDir, realRandom)
  const clock = manualClock()
  const opened = await openTestStore({ dataDir, clock })
  const { store, log } = opened
  const seal = makeSeal(masterKey, realRandom)
  const bodies = openBodies(store, { dataDir, cacheBytes: 0 })
  const spooled = async (bytes: number): Promise<string> => {
    const body = await bodies.spool(Buffer.alloc(bytes, 7))
    await opened.accept(aMessage({ body }))
    return body.spool
  }
  const backupsWith = (settings: Partial<BackupSettings>): Backups => {
    const backups = makeBackups({
      store,
      masterKey,
      clock,
      random: realRandom,
      log,
      program: '1.2.3',
      settings: {
        target: target ?? { kind: 'folder', folder },
        keep: {},
        workFolder: join(root, 'work'),
        minFreeBytes: 0,
        ...settings,
      },
    })
    onTestFinished(() => backups.close())
    return backups
  }
  await spooled(300_000)
  for (let i = 0; i < 20; i++) await opened.accept(aMessage({ to: ['a@ok.test', 'b@ok.test'] }))
  await sealDkimKey(opened, seal, 'pem')
  return {
    ...opened,
    clock,
    root,
    folder,
    masterKey,
    seal,
    bodies,
    spooled,
    backupsWith,
    backups: backupsWith({}),
  }
}

/** A domain with a DKIM key of that text. */
export async function sealDkimKey({ store }: TestStore, seal: Seal, text: string): Promise<void> {
  const sealed = seal.seal(text, 'dkim')
  const { build } = store
  const tenant = { id: 1, name: 'one', created_at: 1, disabled_at: null, settings: '{}' }
  const domain = { id: 1, tenant_id: 1, name: 'a.test', verified_at: 1, created_at: 1 }
  const key = {
    id: nextId,
    domain_id: 1,
    selector: sealed.slice(-8),
    algorithm: 'rsa' as const,
    private_key: sealed,
    public_record: 'p=',
    created_at: 1,
    retired_at: null,
  }
  await store.writer.write(
    [
      build
        .insertInto('tenants')
        .values(tenant)
        .onConflict((on) => on.doNothing()),
      build
        .insertInto('domains')
        .values(domain)
        .onConflict((on) => on.doNothing()),
      build.insertInto('dkim_keys').values(key),
    ].map((insert) => ({ query: insert.compile() })),
    { unaudited: 'a test' },
  )
}
