/**
 * Mail over the API: single messages, batches of a hundred different ones, one message to a thousand recipients. Once
 * with delivery into a sink going on beside it, once with the way out suspended, which is what accepting alone can do.
 */
import { runRestLoad } from '../lib/load-rest.mjs'
import { measure } from '../lib/measure.mjs'
import { startServer } from '../lib/server.mjs'
import { haveSmtpTools, startSmtpSink } from '../lib/smtp-tools.mjs'
import { percentile, until } from '../lib/util.mjs'

const KINDS = [
  { kind: 'single', what: 'single sends', connections: 32, requests: 8_000, count: 1, aim: 2_000 },
  { kind: 'batch', what: 'batches of 100', connections: 4, requests: 160, count: 100, aim: 4_000 },
  { kind: 'many', what: 'one to 1,000', connections: 4, requests: 40, count: 1_000, aim: 15_000 },
]

async function accept(
  context,
  { way, server, sink, kind, what, connections, requests, count, aim },
) {
  const load = {
    port: server.http,
    key: server.key,
    kind,
    count,
    connections,
    domain: 'recipient.test',
  }
  const scaled = Math.max(connections, Math.round(context.scaled(requests * count) / count))
  await runRestLoad({ ...load, requests: Math.max(connections, scaled >> 3) })
  const run = await measure({ part: server, sink }, () =>
    runRestLoad({ ...load, requests: scaled }),
  )
  const deliveries = scaled * count
  context.say(`  ${what}, ${way}: ${context.line(run, deliveries)}`)
  const label = `${what}, ${way}`
  return {
    others: run.others,
    figures: [
      { what: label, value: deliveries / run.seconds, unit: 'deliveries/s', atLeast: aim },
      {
        what: `${label}: processor time`,
        value: (run.cpu.part / deliveries) * 1e6,
        unit: 'µs each',
      },
      { what: `${label}: a request, p50`, value: percentile(run.value, 0.5), unit: 'ms' },
      { what: `${label}: a request, p99`, value: percentile(run.value, 0.99), unit: 'ms' },
    ],
  }
}

export const rest = {
  name: 'rest',
  title: 'REST: deliveries accepted',
  async run(context) {
    if (!haveSmtpTools()) return { skipped: 'smtp-sink (of Postfix) is not installed' }
    const results = []
    for (const way of ['accepting only', 'with delivery beside it']) {
      const sink = await startSmtpSink()
      const server = await startServer({ hops: [{ port: sink.port }] })
      if (way === 'accepting only') await suspend(server, sink)
      for (const kind of KINDS) {
        results.push(await accept(context, { way, server, sink, ...kind }))
        if (way !== 'accepting only')
          await until(() => server.open() === 0, 'the mail to be delivered')
      }
      sink.stop()
      await server.close()
    }
    return {
      figures: results.flatMap(({ figures }) => figures),
      others: Math.max(...results.map(({ others }) => others)),
      notes: [
        'One load process with keep-alive connections (32 for single sends, 4 else). Messages have text, HTML, a tag and metadata, about 3 KB as JSON; those of a batch are all different.',
      ],
    }
  },
}

/** A lane exists from its first mail on; then it can be suspended. */
async function suspend(server, sink) {
  const { http: port, key } = server
  await runRestLoad({
    port,
    key,
    kind: 'single',
    connections: 1,
    requests: 1,
    domain: 'recipient.test',
  })
  await until(() => server.open() === 0, 'the first mail to be delivered')
  const lane = `hop:127.0.0.1:${sink.port}`
  await server.cli('queue', 'suspend', lane, '--for', '1h', '--because', 'benchmark')
  // A running server notices within a second, and an idle lane lets go after two.
  await new Promise((resolve) => setTimeout(resolve, 4_000))
}
