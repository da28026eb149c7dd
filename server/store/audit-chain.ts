/**
 * How records of the audit log hang together. Each carries the hash of the one before it under a key that the
 * database does not hold, so that a row that is edited, taken out or put in shows. The first record of a day repeats
 * the last head of the day before: each day can be checked by itself.
 */
import { createHmac } from 'node:crypto'
import type { AuditTable } from './schema-control.ts'

export type AuditRow = AuditTable

/** The columns in the order in which they are hashed; never changed, only added to with a new format. */
const HASHED = [
  'id',
  'day',
  'at',
  'tenant_id',
  'actor_kind',
  'actor_id',
  'actor_name',
  'means',
  'ip',
  'country',
  'request_id',
  'action',
  'target_kind',
  'target_id',
  'target_name',
  'before',
  'after',
  'previous',
] as const satisfies readonly (keyof AuditRow)[]

/** HMAC-SHA256 over the record without its own hash, hex. */
export const auditHash = (row: Omit<AuditRow, 'hash'>, key: Buffer): string =>
  createHmac('sha256', key)
    .update(JSON.stringify(HASHED.map((column) => row[column])))
    .digest('hex')

/** Settings row that says where the chain ends, so that a cut-off end shows too. */
export const HEAD_SETTING = 'audit.head'

export interface AuditHead {
  readonly id: number
  readonly hash: string
}

/** `12.<hash>.<mac>` */
export const sealHead = ({ id, hash }: AuditHead, key: Buffer): string =>
  `${id}.${hash}.${headMac({ id, hash }, key)}`

const headMac = ({ id, hash }: AuditHead, key: Buffer): string =>
  createHmac('sha256', key).update(`head ${id} ${hash}`).digest('hex')

/** Undefined when it was not written by us. */
export function openHead(text: string, key: Buffer): AuditHead | undefined {
  const [id = '', hash = ''] = text.split('.')
  const head = { id: Number(id), hash }
  return sealHead(head, key) === text ? head : undefined
}

/** `2026-11-22` in UTC. */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)

export interface ChainFault {
  /** Of the record at which it shows. */
  readonly id: number
  readonly kind: 'edited' | 'missing' | 'inserted' | 'cut-off' | 'head'
  readonly text: string
}

export interface ChainCheck {
  /** Records in order of id; may be called many times. */
  take(rows: readonly AuditRow[]): void
  /** Id of the last record taken, 0 before the first. */
  last(): number
  /** `head` as it stands in the settings, undefined when there is none. */
  finish(head: string | undefined): ChainReport
}
export interface ChainReport {
  readonly records: number
  readonly days: number
  readonly first: string | undefined
  readonly last: string | undefined
  /** Hash of the last record. */
  readonly head: string | undefined
  readonly faults: readonly ChainFault[]
}

/** What an operator can act on; a log that was replaced whole would name every record. */
const MAX_FAULTS = 100

export function checkChain(key: Buffer): ChainCheck {
  const faults: ChainFault[] = []
  const days = new Set<string>()
  let records = 0
  let first: string | undefined
  let former: AuditRow | undefined

  function fault(id: number, kind: ChainFault['kind'], text: string): void {
    if (faults.length < MAX_FAULTS) faults.push({ id, kind, text })
  }
  function look(row: AuditRow): void {
    const expected = (former?.id ?? 0) + 1
    const link = former?.hash ?? ''
    if (row.id > expected)
      fault(row.id, 'missing', `Records ${expected} to ${row.id - 1} are not there.`)
    const isOurs = auditHash(row, key) === row.hash
    if (!isOurs) {
      const isLinked = row.previous === link
      fault(
        row.id,
        isLinked ? 'edited' : 'inserted',
        isLinked
          ? `Record ${row.id} was changed after it was written.`
          : `Record ${row.id} was not written by Posthorn.`,
      )
    } else if (row.id === expected && row.previous !== link)
      fault(row.id, 'edited', `Record ${row.id} does not follow the one before it.`)
    if (former !== undefined && row.day < former.day)
      fault(row.id, 'inserted', `Record ${row.id} is dated before the one ahead of it.`)
  }
  return {
    take(rows) {
      for (const row of rows) {
        look(row)
        days.add(row.day)
        first ??= row.day
        records++
        former = row
      }
    },
    last: () => former?.id ?? 0,
    finish(text) {
      if (text === undefined) {
        if (records > 0) fault(former?.id ?? 0, 'head', 'The end of the log is not recorded.')
      } else {
        const head = openHead(text, key)
        if (head === undefined)
          fault(former?.id ?? 0, 'head', 'The record of where the log ends is not ours.')
        else if (head.id > (former?.id ?? 0))
          fault(
            head.id,
            'cut-off',
            `The log ends at ${former?.id ?? 0}, it had ${head.id} records.`,
          )
        else if (head.id < (former?.id ?? 0))
          fault(former?.id ?? 0, 'inserted', `Records after ${head.id} were put in.`)
        else if (head.hash !== former?.hash)
          fault(head.id, 'edited', `The last record is not the one that was written.`)
      }
      return { records, days: days.size, first, last: former?.day, head: former?.hash, faults }
    },
  }
}
