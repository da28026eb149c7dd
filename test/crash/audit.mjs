/**
 * Compares, when all is over, what was promised with what arrived, what the log says and what the database says.
 * Every sentence it returns is a broken promise.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { encodeId } from '../../dist/server/core/ids.js'
import { openBodies } from '../../dist/server/store/body.js'
import { databaseFile, openStore } from '../../dist/server/store/open.js'

const MAX_EXAMPLES = 3

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

/** `['3 recipients …: a, b, c']`, or nothing when there is nothing to complain of. */
const complaint = (what, examples) =>
  examples.length === 0
    ? []
    : [`${examples.length} ${what}: ${examples.slice(0, MAX_EXAMPLES).join(', ')}`]

/** Deliveries that have not come to an end; the database may be in use. */
function unfinished(dataDir) {
  const db = new Database(databaseFile(dataDir), { readonly: true })
  try {
    return db
      .prepare("select count(*) from deliveries where state in ('queued', 'leased', 'deferred')")
      .pluck()
      .get()
  } finally {
    db.close()
  }
}

/** How often each recipient came more than once. */
const repeatsOf = (copies) =>
  [...copies].flatMap(([recipient, { length }]) =>
    length > 1 ? [{ recipient, again: length - 1 }] : [],
  )

function auditSink({ ledger, sink }) {
  const copies = [...sink.copies].flatMap(([recipient, list]) =>
    list.map((copy) => ({ recipient, ...copy })),
  )
  const isForeign = ({ recipient, token }) => ledger.offered.get(recipient)?.token !== token
  return [
    ...complaint(
      'acknowledged recipients got nothing',
      [...ledger.acknowledged.keys()].filter((recipient) => !sink.copies.has(recipient)),
    ),
    ...complaint(
      'copies are not what was sent',
      copies.filter((copy) => !copy.isWhole || isForeign(copy)).map((copy) => copy.recipient),
    ),
    ...complaint(
      'repeats have a Message-ID of their own',
      [...sink.copies]
        .filter(([, list]) => new Set(list.map((copy) => copy.messageId)).size > 1)
        .map(([recipient]) => recipient),
    ),
  ]
}

/** A client that is told no sends again elsewhere or later: keeping the mail all the same would make two of it. */
const auditRefused = ({ ledger }, byRecipient) =>
  complaint(
    'recipients of refused messages were kept',
    [...ledger.refused].filter((recipient) => byRecipient.has(recipient)),
  )

/** Of a message that nobody was promised, all recipients may get it, or none. */
function auditAtomic({ ledger }, byRecipient) {
  const messages = new Set(ledger.offered.values())
  return complaint(
    'messages were kept for some of their recipients only',
    [...messages]
      .filter(({ recipients }) => {
        const kept = recipients.filter((recipient) => byRecipient.has(recipient))
        return kept.length > 0 && kept.length < recipients.length
      })
      .map(({ token }) => token),
  )
}

/** Each repeat must be named in the log, as often as it happened. */
function auditRepeats({ sink, installation }, byRecipient) {
  return complaint(
    'repeats are not named in the log',
    repeatsOf(sink.copies)
      .filter(({ recipient, again }) => {
        const id = encodeId('delivery', byRecipient.get(recipient)?.id ?? 0)
        return (installation.doubts.get(id) ?? 0) < again
      })
      .map(({ recipient }) => recipient),
  )
}

function auditDatabase({ sink, installation }) {
  const db = new Database(databaseFile(installation.dataDir), { readonly: true })
  try {
    const rows = db.prepare('select id, recipient, state from deliveries').all()
    const byRecipient = new Map(rows.map((row) => [row.recipient, row]))
    const idsOf = (sql) => db.prepare(sql).pluck().all()
    const integrity = db.pragma('integrity_check', { simple: true })
    const complaints = [
      ...(integrity === 'ok' ? [] : [`integrity_check: ${integrity}`]),
      ...complaint(
        'recipients were kept twice',
        idsOf('select recipient from deliveries group by recipient having count(*) > 1'),
      ),
      ...complaint(
        'deliveries are not delivered in the database',
        rows.filter(({ state }) => state !== 'delivered').map((row) => `${row.id} ${row.state}`),
      ),
      ...complaint(
        'deliveries are delivered in the database only',
        rows.filter(({ recipient }) => !sink.copies.has(recipient)).map((row) => row.recipient),
      ),
      ...complaint(
        'recipients got what the database does not know',
        [...sink.copies.keys()].filter((recipient) => !byRecipient.has(recipient)),
      ),
      ...complaint(
        'deliveries have no successful attempt',
        idsOf(`select id from deliveries where not exists (
          select 1 from attempts where delivery_id = deliveries.id and kind = 'accepted')`),
      ),
      ...complaint(
        'deliveries have not one "accepted" and one "delivered" event',
        idsOf(`select delivery_id from events group by delivery_id
          having sum(type = 'accepted') <> 1 or sum(type = 'delivered') <> 1`),
      ),
    ]
    return { byRecipient, complaints }
  } finally {
    db.close()
  }
}

/** Sweeps as the program's retention does, only without waiting an hour; then files and rows must agree. */
async function auditSpool({ dataDir }) {
  const clock = { now: Date.now, after: () => ({ cancel() {} }) }
  const store = await openStore({
    dataDir,
    auditKey: Buffer.alloc(32, 5),
    cacheKiB: 8192,
    clock,
    log: quiet,
    onFatal() {},
  })
  try {
    const swept = await openBodies(store, { dataDir, cacheBytes: 0 }).sweep(Infinity)
    const folder = join(dataDir, 'spool')
    const files = new Map(readdirSync(folder).map((name) => [name, statSync(join(folder, name))]))
    const rows = store.reader.prepare('select spool, size from messages where spool is not null')
    const named = new Map(rows.all().map(({ spool, size }) => [spool, size]))
    const receiving = readdirSync(join(dataDir, 'incoming'))
    return {
      swept: swept.length,
      complaints: [
        ...complaint(
          'spool files are named by no message',
          [...files.keys()].filter((name) => !named.has(name)),
        ),
        ...complaint(
          'spool files are missing or cut short',
          [...named].filter(([name, size]) => files.get(name)?.size !== size).map(([name]) => name),
        ),
        ...complaint('files are left in incoming/', receiving),
      ],
    }
  } finally {
    await store.close()
  }
}

/** Ms from the promise to the first copy, sorted. */
const waitsOf = ({ ledger, sink }) =>
  [...ledger.acknowledged]
    .flatMap(([recipient, at]) => {
      const [first] = sink.copies.get(recipient) ?? []
      return first === undefined ? [] : [Math.max(0, first.at - at)]
    })
    .sort((a, b) => a - b)

/** Whether nothing waits any more: every promise is kept and the database agrees. */
export const isDone = ({ ledger, sink, installation }) =>
  [...ledger.acknowledged.keys()].every((recipient) => sink.copies.has(recipient)) &&
  unfinished(installation.dataDir) === 0

/** The program must have ended. Resolves with the figures and the complaints. */
export async function audit(run) {
  const { ledger, sink, installation } = run
  const { byRecipient, complaints } = auditDatabase(run)
  const spool = await auditSpool(installation)
  const repeats = repeatsOf(sink.copies)
  return {
    acknowledged: ledger.acknowledged.size,
    delivered: sink.copies.size,
    lost: [...ledger.acknowledged.keys()].filter((recipient) => !sink.copies.has(recipient)).length,
    inDoubt: installation.doubts.size,
    repeats: repeats.reduce((sum, { again }) => sum + again, 0),
    swept: spool.swept,
    waitMs: waitsOf(run),
    complaints: [
      ...auditSink(run),
      ...complaints,
      ...auditRefused(run, byRecipient),
      ...auditAtomic(run, byRecipient),
      ...auditRepeats(run, byRecipient),
      ...spool.complaints,
    ],
  }
}
