/**
 * Rotation of the master key: a new version is added, and every sealed secret is sealed again under it. It may be cut
 * off at any moment: what is not of the current version yet is simply found again. Version 1 stays for good, because
 * what is only compared (hashes of API keys, the audit chain, return paths) can never be converted.
 */
import { statSync } from 'node:fs'
import type { Actor, AuditDraft, AuditValue } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import type { Clock, Log, Random } from '../core/ports.ts'
import type { Store } from '../store/open.ts'
import {
  countSealed,
  replaceSealed,
  SEALED_COLUMN_NAMES,
  SEALED_COLUMNS,
  sealedOtherwise,
} from '../store/sealed.ts'
import type { SealedColumn } from '../store/sealed.ts'
import { addKeyVersion, masterKeyFile, removeKeyVersion } from './auth/master-key.ts'
import type { MasterKey } from './auth/master-key.ts'
import type { Seal } from './auth/seal.ts'

export interface KeyVersion {
  readonly version: number
  /** Secrets that need it. */
  readonly secrets: number
  /** False: the key file does not hold it, so these secrets cannot be read. */
  readonly isThere: boolean
}

export interface SecretsStatus {
  readonly current: number
  readonly versions: readonly KeyVersion[]
  /** Secrets that are not sealed under the current version. */
  readonly outdated: number
}

export interface SealedProgress {
  readonly column: SealedColumn
  /** Over all columns. */
  readonly done: number
  readonly total: number
}

export interface RotationResult {
  readonly version: number
  readonly resealed: number
  /** Secrets that could not be opened, and stay as they are. */
  readonly unreadable: number
}

export interface RotationOptions {
  readonly progress?: (progress: SealedProgress) => void
}

export interface Secrets {
  status(): Promise<SecretsStatus>
  /** Adds a version and seals everything under it. STATE_CONFLICT while another process changes the key file. */
  rotate(actor: Actor, options?: RotationOptions): Promise<RotationResult>
  /** Only the second half: for a rotation that was cut off. */
  reseal(actor: Actor, options?: RotationOptions): Promise<RotationResult>
  /** Takes an old version out of the key file. STATE_CONFLICT when it is needed, or might be. */
  forget(actor: Actor, version: number): Promise<void>
}

const BATCH = 200
/** For so long after a change of the key file another process may be about to write what it sealed before. */
const SETTLE_MS = 10 * 60_000

export function makeSecrets(deps: {
  readonly store: Store
  readonly dataDir: string
  readonly masterKey: MasterKey
  readonly seal: Seal
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}): Secrets {
  const { store, dataDir, masterKey, seal, clock, log } = deps

  async function status(): Promise<SecretsStatus> {
    masterKey.refresh()
    const { current } = masterKey
    const inFile = new Set(masterKey.inFile)
    const needs = new Map<number, number>()
    for (const { version, rows } of await countSealed(store))
      needs.set(version, (needs.get(version) ?? 0) + rows)
    const versions = [...new Set([...inFile, ...needs.keys()])]
      .sort((a, b) => a - b)
      .map((version) => ({
        version,
        secrets: needs.get(version) ?? 0,
        isThere: inFile.has(version),
      }))
    const outdated = versions.reduce(
      (sum, { version, secrets }) => (version === current ? sum : sum + secrets),
      0,
    )
    return { current, versions, outdated }
  }

  async function resealAll(options: RotationOptions): Promise<RotationResult> {
    const { current, outdated: total } = await status()
    let resealed = 0
    let unreadable = 0
    for (const column of SEALED_COLUMN_NAMES) {
      const { context } = SEALED_COLUMNS[column]
      let after = 0
      for (;;) {
        const rows = await sealedOtherwise(store, column, { current, after, limit: BATCH })
        const last = rows.at(-1)
        if (last === undefined) break
        after = last.key
        const changes = rows.flatMap(({ key, text }) => {
          try {
            return [{ key, from: text, to: seal.seal(seal.open(text, context), context) }]
          } catch (error) {
            // One that was broken before must not keep the others under an old key.
            unreadable++
            log.error({ err: error, column, row: key }, 'a sealed secret cannot be opened')
            return []
          }
        })
        resealed += await replaceSealed(store, column, changes)
        options.progress?.({ column, done: resealed + unreadable, total })
      }
    }
    return { version: current, resealed, unreadable }
  }

  return {
    status,
    async rotate(actor, options = {}) {
      const before = (await status()).current
      const version = addKeyVersion(dataDir, deps.random)
      await store.writer.write([], draft(actor, 'secrets.rotated', version, { version: before }))
      return resealAll(options)
    },
    async reseal(actor, options = {}) {
      const result = await resealAll(options)
      const { version, resealed, unreadable } = result
      await store.writer.write(
        [],
        draft(actor, 'secrets.resealed', version, undefined, { resealed, unreadable }),
      )
      return result
    },
    async forget(actor, version) {
      const { current, versions } = await status()
      const found = versions.find((one) => one.version === version && one.isThere)
      const refuse = (why: string): AppError =>
        new AppError('STATE_CONFLICT', { public: `Version ${version} ${why}.` })
      if (found === undefined)
        throw new AppError('NOT_FOUND', { public: `There is no version ${version}.` })
      if (version === 1)
        throw refuse(
          'stays: hashes of API keys, the audit chain and the recovery key are derived from it',
        )
      if (version === current) throw refuse('is the current one')
      if (found.secrets > 0)
        throw refuse(`is needed by ${found.secrets} secrets; run "posthorn secrets rotate" first`)
      if (clock.now() - statSync(masterKeyFile(dataDir)).mtimeMs < SETTLE_MS)
        throw refuse(
          'may still be in use by a change under way: the key file is younger than 10 minutes',
        )
      removeKeyVersion(dataDir, version)
      await store.writer.write([], draft(actor, 'secrets.forgotten', version))
    },
  }
}

const draft = (
  actor: Actor,
  action: string,
  version: number,
  before?: AuditValue,
  after: AuditValue = { version },
): AuditDraft => ({
  actor,
  tenant: undefined,
  action,
  target: { kind: 'master-key', id: String(version), name: `version ${version}` },
  ...(before === undefined ? {} : { before }),
  after,
})
