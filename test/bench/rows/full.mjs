/**
 * The relay as it is used in earnest: clients log in under TLS, mail is signed with the domain's RSA-2048 and Ed25519
 * keys, leaves under TLS, and every step is an event. Our own load generator and sink, since Postfix's tools do not
 * start TLS.
 */
import { generate } from 'selfsigned'
import { runSmtpLoad } from '../lib/load-smtp.mjs'
import { measure } from '../lib/measure.mjs'
import { startServer } from '../lib/server.mjs'
import { median, until } from '../lib/util.mjs'
import { startSinkProcess } from '../sink-process.mjs'

const SIZE = 4096

async function runOf(messages, profile = false) {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'sink.test' }], {
    keyType: 'ec',
  })
  const sink = await startSinkProcess({ tls: { key, cert } })
  const server = await startServer({
    hops: [{ port: sink.port, tls: 'opportunistic' }],
    dkim: true,
    profile,
  })
  const { smtp: port, user, password } = server
  const send = async (count) => {
    await runSmtpLoad({ port, user, password, messages: count, size: SIZE })
    await until(() => server.open() === 0, 'the mail to be delivered')
  }
  const warm = Math.max(50, Math.ceil(messages / 8))
  await send(warm)
  const run = await measure({ part: server, sink }, () => send(messages))
  const { accepted } = await sink.counts()
  if (accepted !== warm + messages) throw new Error(`${accepted} of ${warm + messages} arrived.`)
  const missing = server.db.prepare(UNPROTECTED).pluck().get()
  if (missing > 0) throw new Error(`${missing} messages left without TLS, signature or event.`)
  sink.stop()
  return { ...run, memory: server.memory().most, spent: await server.close() }
}

/** The transcript tells how many bytes went out: with two signatures about a thousand more than came in. */
const UNPROTECTED = `select count(*) from deliveries d left join attempts a on a.delivery_id = d.id
  where a.tls is null or a.kind <> 'accepted'
    or cast(replace(substr(a.transcript, instr(a.transcript, '> [') + 3, 6), ',', '') as integer) < ${SIZE + 600}
    or not exists (select 1 from events e where e.delivery_id = d.id and e.type = 'delivered')`

export const full = {
  name: 'full',
  title: 'Relay, 4 KB, 50 sessions kept open, with TLS on both sides, AUTH, DKIM and events',
  async run(context) {
    const messages = context.scaled(20_000)
    const runs = []
    for (let round = 0; round < context.rounds; round++) {
      runs.push(await runOf(messages))
      context.say(`  ${context.line(runs.at(-1), messages)}`)
    }
    const profiled = context.profile ? await runOf(messages, true) : undefined
    const rate = median(runs.map((run) => messages / run.seconds))
    const memory = Math.max(...runs.map((run) => run.memory)) / 2 ** 20
    return {
      figures: [
        { what: 'messages per second', value: rate, unit: 'msg/s', atLeast: 1_800 },
        ...context.costFigures(runs, messages),
        { what: 'memory at most', value: memory, unit: 'MiB' },
      ],
      others: Math.max(...runs.map((run) => run.others)),
      spent: profiled?.spent,
      notes: [
        `Own load generator, 2 processes with 25 sessions each (it and the sink alone do over 20,000 msg/s); ${messages} messages, ${context.rounds} runs, medians. Each message has two signatures, RSA-2048 and Ed25519. Webhooks are not part of the program yet, so no endpoint takes the events.`,
      ],
    }
  },
}
