/**
 * The writer thread: the one owner of hot writes. Each batch is one transaction and one fsync; its callers are
 * answered after it. When an operation fails the batch is undone and each operation runs alone, so that the
 * failure stays with its caller.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { AppError } from '../../core/errors.ts'
import type { ErrorCode } from '../../core/errors.ts'
import type { NewMessage } from '../../core/work.ts'
import { makeAccept } from './accept.ts'
import { openDatabase } from './database.ts'
import { makeEventLog } from './events.ts'
import { makeLaneOps } from './lane.ts'
import { makeLease } from './lease.ts'
import type { Batch, BatchResult, Op, OpResult, PackedMessage, ThreadMessage } from './protocol.ts'
import { makeSettle } from './settle.ts'
import { makeWrite } from './write.ts'

export interface ThreadData {
  readonly file: string
  readonly cacheKiB: number
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

const begin = db.prepare('begin immediate')
const commit = db.prepare('commit')
const rollback = db.prepare('rollback')

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
    case 'release':
      lanes.release(op.lane, op.token, op.pace)
      return undefined
    case 'cancel':
      return settle.cancel(op.message, op.now)
    case 'retry-now':
      return settle.retryNow(op.deliveries, op.now)
    case 'write':
      return write(op.statements)
  }
}

function failure(error: unknown): OpResult {
  if (error instanceof AppError)
    return { ok: false, code: error.code, detail: error.detail ?? error.message }
  const sqlite = error instanceof Error && 'code' in error ? String(error.code) : ''
  const code: ErrorCode =
    sqlite === 'SQLITE_FULL'
      ? 'STORE_FULL'
      : sqlite.startsWith('SQLITE_CONSTRAINT_UNIQUE') ||
          sqlite.startsWith('SQLITE_CONSTRAINT_PRIMARYKEY')
        ? 'NAME_TAKEN'
        : sqlite.startsWith('SQLITE_')
          ? 'STORE_UNAVAILABLE'
          : 'INTERNAL'
  return {
    ok: false,
    code,
    detail: error instanceof Error ? `${sqlite} ${error.message}` : String(error),
  }
}

/** Throws when any operation or the commit fails; then nothing of it was kept. */
function transact(ops: readonly Op[], batch: Batch): OpResult[] {
  begin.run()
  try {
    events.begin(batch.now)
    accept.begin(batch.now)
    const results = ops.map((op): OpResult => ({ ok: true, value: run(op, batch) }))
    commit.run()
    return results
  } catch (error) {
    if (db.inTransaction) rollback.run()
    throw error
  }
}

function alone(op: Op, batch: Batch): OpResult {
  try {
    return transact([op], batch)[0]!
  } catch (error) {
    return failure(error)
  }
}

function perform(batch: Batch): BatchResult {
  try {
    return { results: transact(batch.ops, batch) }
  } catch (error) {
    if (batch.ops.length === 1) return { results: [failure(error)] }
    return { results: batch.ops.map((op) => alone(op, batch)) }
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
