/**
 * The event loop's side of the writer thread. Operations that arrive while a commit runs wait and go into the
 * next one together (group commit); every promise settles after the fsync of its batch.
 */
import { Worker } from 'node:worker_threads'
import type { CompiledQuery } from 'kysely'
import type { ChangeRecord } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import type { AcceptRequest, AcceptResult, Claim, HotWriter, Lease } from '../core/work.ts'
import type { LaneId } from '../core/ids.ts'
import type {
  Batch,
  BatchResult,
  Op,
  OpResult,
  PackedAccept,
  Statement,
  ThreadMessage,
  WriteResult,
} from './hot/protocol.ts'

/** A statement compiled by Kysely, and how many rows it must change (else the whole write is undone). */
export interface Change {
  readonly query: CompiledQuery
  readonly expect?: { readonly changes: number; readonly orElse: ErrorCode }
}

export interface Writer extends HotWriter {
  /**
   * All or nothing, in order, with the record of the change as its last row. Rejects with NAME_TAKEN on a broken
   * unique constraint.
   */
  write(changes: readonly Change[], record: ChangeRecord): Promise<readonly WriteResult[]>
  /** Batches committed and operations in them, for metrics. */
  readonly counts: { readonly batches: number; readonly ops: number; readonly waiting: number }
  /** Commits what waits, refuses what comes (SHUTTING_DOWN), ends the thread. Idempotent. */
  close(): Promise<void>
}

export interface WriterOptions {
  readonly file: string
  readonly cacheKiB: number
  readonly clock: Clock
  /** Of the audit chain, 32 bytes. */
  readonly auditKey: Buffer
  /** The thread died: nothing can be kept any more and the process should end. */
  readonly onFatal: (error: Error) => void
}

interface Waiting {
  readonly op: Op | { readonly kind: 'accept-unpacked'; readonly request: AcceptRequest }
  readonly resolve: (value: never) => void
  readonly reject: (error: AppError) => void
}

/** One batch commits while the next is already on its way to the thread; the rest wait here. */
const BATCHES_IN_FLIGHT = 2
const MAX_OPS = 2_000

/** Beside this file once built; from sources (tests) the built thread is used, since threads run JavaScript. */
const threadFile = (): URL =>
  import.meta.url.endsWith('.ts')
    ? new URL('../../dist/server/store/hot/thread.js', import.meta.url)
    : new URL('./hot/thread.js', import.meta.url)

export function startWriter(options: WriterOptions): Writer {
  const thread = new Worker(threadFile(), {
    workerData: { file: options.file, cacheKiB: options.cacheKiB, auditKey: options.auditKey },
  })
  const flying: Waiting[][] = []
  const counts = { batches: 0, ops: 0, waiting: 0 }
  let waiting: Waiting[] = []
  let scheduled = false
  let dead: AppError | undefined
  /** Set by `close`: nothing new is taken, what waits is still committed. */
  let closing: Promise<void> | undefined
  let drained: (() => void) | undefined

  function schedule(): void {
    if (scheduled || waiting.length === 0 || flying.length >= BATCHES_IN_FLIGHT) return
    scheduled = true
    setImmediate(flush)
  }

  function flush(): void {
    scheduled = false
    if (waiting.length === 0 || dead !== undefined) return
    const items = waiting.length <= MAX_OPS ? waiting : waiting.slice(0, MAX_OPS)
    waiting = waiting.length <= MAX_OPS ? [] : waiting.slice(MAX_OPS)
    counts.waiting = waiting.length
    flying.push(items)
    const batch = pack(items, options.clock.now())
    const message: ThreadMessage = { batch }
    thread.postMessage(message, [batch.bodies])
    schedule()
  }

  function enqueue<T>(op: Waiting['op']): Promise<T> {
    if (dead !== undefined) return Promise.reject(dead)
    if (closing !== undefined) return Promise.reject(new AppError('SHUTTING_DOWN'))
    return new Promise<T>((resolve, reject) => {
      waiting.push({ op, resolve, reject })
      counts.waiting = waiting.length
      schedule()
    })
  }

  thread.on('message', ({ results }: BatchResult) => {
    const items = flying.shift() ?? []
    counts.batches++
    counts.ops += items.length
    for (let i = 0; i < items.length; i++) settleItem(items[i]!, results[i]!)
    schedule()
    if (flying.length === 0 && waiting.length === 0) drained?.()
  })
  const die = (error: Error): void => {
    if (dead !== undefined) return
    dead = new AppError('STORE_UNAVAILABLE', { detail: error.message, cause: error })
    for (const item of [...flying.flat(), ...waiting]) item.reject(dead)
    flying.length = 0
    waiting = []
    drained?.()
    options.onFatal(error)
  }
  thread.on('error', die)
  thread.on('exit', (code) => {
    if (code !== 0) die(new Error(`The writer thread ended with code ${code}.`))
  })

  return {
    counts,
    accept: (request): Promise<AcceptResult> => enqueue({ kind: 'accept-unpacked', request }),
    claim: (request): Promise<Claim> => enqueue({ kind: 'claim', request }),
    lease: (request): Promise<Lease> => enqueue({ kind: 'lease', request }),
    settle: (token, settlements): Promise<number> =>
      enqueue({ kind: 'settle', token, settlements }),
    assign: (assignments): Promise<void> => enqueue({ kind: 'assign', assignments }),
    recover: (lane, token, now): Promise<void> => enqueue({ kind: 'recover', lane, token, now }),
    release: (lane, token, pace): Promise<void> => enqueue({ kind: 'release', lane, token, pace }),
    cancel: (message, now): Promise<number> => enqueue({ kind: 'cancel', message, now }),
    retryNow: (deliveries, now): Promise<readonly LaneId[]> =>
      enqueue({ kind: 'retry-now', deliveries, now }),
    write: (changes, record) =>
      enqueue({
        kind: 'write',
        statements: changes.map(toStatement),
        audit: 'unaudited' in record ? undefined : record,
      }),
    close: () => (closing ??= shutDown()),
  }

  async function shutDown(): Promise<void> {
    if (flying.length > 0 || waiting.length > 0)
      await new Promise<void>((resolve) => (drained = resolve))
    if (dead !== undefined) return
    dead = new AppError('SHUTTING_DOWN')
    const ended = new Promise((resolve) => thread.once('exit', resolve))
    const message: ThreadMessage = { close: true }
    thread.postMessage(message)
    await ended
  }
}

const toStatement = ({ query, expect }: Change): Statement => ({
  sql: query.sql,
  parameters: query.parameters,
  ...(expect === undefined ? {} : { expect }),
})

function settleItem(item: Waiting, result: OpResult): void {
  if (result.ok) item.resolve(result.value as never)
  else item.reject(new AppError(result.code, { detail: result.detail }))
}

/** Copies all bodies of a batch into one buffer that is handed over, not cloned. */
function pack(items: readonly Waiting[], now: number): Batch {
  let total = 0
  for (const { op } of items) {
    if (op.kind !== 'accept-unpacked') continue
    for (const { body } of op.request.messages) if (!('spool' in body)) total += body.length
  }
  const bodies = new ArrayBuffer(total)
  const bytes = new Uint8Array(bodies)
  let offset = 0
  const packAccept = (request: AcceptRequest): PackedAccept => ({
    idempotency: request.idempotency,
    messages: request.messages.map((message) => {
      const { body } = message
      if ('spool' in body) return { ...message, body }
      const at = { offset, length: body.length }
      bytes.set(body, offset)
      offset += body.length
      return { ...message, body: at }
    }),
  })
  const ops = items.map(({ op }): Op =>
    op.kind === 'accept-unpacked' ? { kind: 'accept', request: packAccept(op.request) } : op,
  )
  return { now, ops, bodies }
}
