/**
 * A million bulk deliveries wait behind a rate limit. What that costs in memory, how fast transactional mail passes
 * them (to the same hosts, sharing their limit, and to others), how fast a start with them is, and how fast they leave.
 */
import { runRestLoad } from '../lib/load-rest.mjs'
import { measure } from '../lib/measure.mjs'
import { load, startServer } from '../lib/server.mjs'
import { haveSmtpTools, startSmtpSink } from '../lib/smtp-tools.mjs'
import { percentile, until } from '../lib/util.mjs'

const RECIPIENTS = 1_000
const TRANSACTIONAL = { perSecond: 20, requests: 600, connections: 4, kind: 'single' }

export const million = {
  name: 'million',
  title: 'A million bulk deliveries queued',
  async run(context) {
    if (!haveSmtpTools()) return { skipped: 'smtp-sink (of Postfix) is not installed' }
    const { idTime } = await load('server/core/ids.js')
    const slow = await startSmtpSink()
    const other = await startSmtpSink()
    const server = await startServer({
      hops: [
        { port: slow.port, rate: '100/s' },
        { port: other.port, domain: 'elsewhere.test' },
      ],
    })
    const { http: port, key, db } = server
    const requests = Math.ceil(context.scaled(1_000_000) / RECIPIENTS)
    const bulk = {
      port,
      key,
      kind: 'many',
      count: RECIPIENTS,
      connections: 4,
      domain: 'recipient.test',
    }
    const filled = await measure({ part: server }, () => runRestLoad({ ...bulk, requests }))
    const fillMemory = server.memory().most
    context.say(`  queued: ${context.line(filled, requests * RECIPIENTS)}`)

    const since = Date.now()
    const pass = (domain) =>
      runRestLoad({
        port,
        key,
        domain,
        ...TRANSACTIONAL,
        requests: context.scaled(TRANSACTIONAL.requests),
      })
    const passed = await measure({ part: server }, () =>
      Promise.all([pass('recipient.test'), pass('elsewhere.test')]),
    )
    await until(
      () => db.prepare(OPEN_TRANSACTIONAL).pluck().get() === 0,
      'transactional mail to leave',
    )
    const waits = (domain) =>
      db
        .prepare(FIRST_ATTEMPTS)
        .all(domain)
        .filter(({ id }) => idTime(id) >= since)
        .map(({ id, started_at: startedAt }) => startedAt - idTime(id))
    const same = waits('recipient.test')
    const others = waits('elsewhere.test')
    const queued = server.open()
    const memory = server.memory().most

    await server.stop()
    const before = other.count() + slow.count()
    const startedAt = performance.now()
    await server.start()
    const ready = performance.now() - startedAt
    await until(() => other.count() + slow.count() > before, 'mail after the start', { everyMs: 1 })
    const first = performance.now() - startedAt
    await new Promise((resolve) => setTimeout(resolve, 5_000))
    const restarted = server.memory().most

    // The limit goes, and the queue drains as fast as it can; how fast it begins is what a depth could spoil.
    await server.cli('limit', 'set', '--next-hop', `127.0.0.1:${slow.port}`, '--rate', '1000000/s')
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    const draining = await measure({ part: server, sink: slow }, async () => {
      const at = slow.count()
      await new Promise((resolve) => setTimeout(resolve, 5_000))
      return slow.count() - at
    })
    await server.close()
    slow.stop()
    other.stop()
    const mib = (bytes) => bytes / 2 ** 20
    return {
      figures: [
        { what: 'queued while it was measured', value: queued, unit: 'deliveries' },
        {
          what: 'transactional to the same hosts, p99',
          value: percentile(same, 0.99),
          unit: 'ms',
          under: 1_000,
        },
        {
          what: 'transactional to the same hosts, p50',
          value: percentile(same, 0.5),
          unit: 'ms',
        },
        {
          what: 'transactional to others, p99',
          value: percentile(others, 0.99),
          unit: 'ms',
          under: 1_000,
        },
        { what: 'transactional to others, p50', value: percentile(others, 0.5), unit: 'ms' },
        {
          what: 'memory at most, queuing and delivering',
          value: mib(memory),
          unit: 'MiB',
          under: 600,
        },
        { what: 'memory at most, until all was queued', value: mib(fillMemory), unit: 'MiB' },
        {
          what: 'memory at most, after a start with them',
          value: mib(restarted),
          unit: 'MiB',
          under: 600,
        },
        { what: 'start with them, until ready', value: ready / 1000, unit: 's', under: 5 },
        {
          what: 'start with them, until the first delivery',
          value: first / 1000,
          unit: 's',
          under: 5,
        },
        {
          what: 'out of the full queue, no longer limited',
          value: draining.value / draining.seconds,
          unit: 'msg/s',
        },
        {
          what: 'out of the full queue: processor time',
          value: (draining.cpu.part / draining.value) * 1e6,
          unit: 'µs each',
        },
        {
          what: 'accepted while the queue grew',
          value: (requests * RECIPIENTS) / filled.seconds,
          unit: 'deliveries/s',
        },
      ],
      others: passed.others,
      notes: [
        `${requests * RECIPIENTS} deliveries through the API, one message to 1,000 recipients each, to one next hop limited to 100 messages/s; ${same.length} transactional messages to it and ${others.length} to another next hop, 20/s each. The time is from acceptance to the start of the first attempt, as the database has both.`,
      ],
    }
  },
}

const OPEN_TRANSACTIONAL = `select count(*) from deliveries indexed by deliveries_queue
  where priority = 0 and lane_id in (select id from lanes) and state in ('queued', 'deferred')`

const FIRST_ATTEMPTS = `select d.id, a.started_at from deliveries d join attempts a on a.delivery_id = d.id and a.number = 1
  where d.priority = 0 and d.domain = ?`
