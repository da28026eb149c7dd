/**
 * The writer thread: the one owner of hot writes. Each batch is one transaction and one fsync; its callers are
 * answered after it. When an operation fails the batch is undone and runs again with a savepoint around each
 * operation, so that the failure stays with its caller.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { NewMessage } from '../../core/work.ts'
import { makeAccept } from './accept.ts'
import { makeAudit } from './audit.ts'
import { openDatabase } from './database.ts'
import { makeEventLog } from './events.ts'
import { failure, isStoreFault } from './failure.ts'
import { makeLaneOps } from './lane.ts'
import { makeLease } from './lease.ts'
import type { Batch, BatchResult, Op, OpResult, PackedMessage, ThreadMessage } from './protocol.ts'
import { makeSettle } from './settle.ts'
import { makeWrite } from './write.ts'

export interface ThreadData {
  readonly file: string
  readonly cacheKiB: number
  /** Of the audit chain. */
  readonly auditKey: Uint8Array
}

const port = parentPort
if (port === null) throw new Error('The writer runs as a worker thread.')
// The main thread is the only one that starts this thread; its shape is ThreadData.
const data = workerData as ThreadData
const db = openDatabase(data)
const events = makeEventLog(db)
const accept = makeAccept(db, events)
const lanes = makeLaneOps(db, events)
const lease = makeLease(db, lanes)
const settle = makeSettle(db, events)
const write = makeWrite(db)
const audit = makeAudit(db, Buffer.from(data.auditKey))

const begin = db.prepare('begin immediate')
const commit = db.prepare('commit')
const rollback = db.prepare('rollback')
const savepoint = db.prepare('savepoint op')
const undo = db.prepare('rollback to op')
const release = db.prepare('release op')

function unpack(message: PackedMessage, bodies: ArrayBuffer): NewMessage {
  const { body } = message
  if ('spool' in body) return { ...message, body }
  return { ...message, body: Buffer.from(bodies, body.offset, body.length) }
}

function run(op: Op, batch: Batch): unknown {
  switch (op.kind) {
    case 'accept': {
      const messages = op.request.messages.map((message) => unpack(message, batch.bodies))
      return accept.run({ messages, idempotency: op.request.idempotency }, batch.now)
    }
    case 'claim':
      return lanes.claim(op.request)
    case 'lease':
      return lease(op.request)
    case 'settle':
      return settle.settle(op.token, op.settlements, batch.now)
    case 'assign':
      settle.assign(op.assignments)
      return undefined
    case 'recover':
      lanes.recover(op.lane, op.token, op.now)
      return undefined
    case 'release':
      lanes.release(op.lane, op.token, op.pace)
      return undefined
    case 'cancel':
      return settle.cancel(op.message, op.now)
    case 'retry-now':
      return settle.retryNow(op.deliveries, op.now)
    case 'write':
      return writeAudited(op, batch.now)
  }
}

function writeAudited(op: Extract<Op, { kind: 'write' }>, now: number): unknown {
  const results = write(op.statements)
  if (op.audit !== undefined) audit(op.audit, now, results)
  return results
}

/** Throws when any operation or the commit fails; then nothing of it was kept. */
function transact(batch: Batch, perform: (op: Op, batch: Batch) => OpResult): OpResult[] {
  begin.run()
  try {
    events.begin(batch.now)
    accept.begin(batch.now)
    const results = batch.ops.map((op) => perform(op, batch))
    accept.end()
    commit.run()
    return results
  } catch (error) {
    if (db.inTransaction) rollback.run()
    throw error
  }
}

const plain = (op: Op, batch: Batch): OpResult => ({ ok: true, value: run(op, batch) })

/** A failing operation is undone alone, and the transaction goes on. */
function guarded(op: Op, batch: Batch): OpResult {
  savepoint.run()
  try {
    const result = plain(op, batch)
    release.run()
    return result
  } catch (error) {
    // SQLite undoes the whole transaction by itself when the disk is full or broken.
    if (isStoreFault(error) || !db.inTransaction) throw error
    undo.run()
    release.run()
    return failure(error)
  }
}

/** Savepoints cost as much as small operations themselves, so they are only set once something has failed. */
function perform(batch: Batch): BatchResult {
  try {
    return { results: transact(batch, plain) }
  } catch (error) {
    if (isStoreFault(error)) return { results: batch.ops.map(() => failure(error)) }
  }
  try {
    return { results: transact(batch, guarded) }
  } catch (error) {
    return { results: batch.ops.map(() => failure(error)) }
  }
}

port.on('message', (message: ThreadMessage) => {
  if ('close' in message) {
    db.close()
    port.close()
    return
  }
  port.postMessage(perform(message.batch))
})
