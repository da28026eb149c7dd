/**
 * SMTP in → durable → SMTP out, 4 KB, 50 sessions: over connections that stay open, and with a new connection per
 * message. Postfix does the same between our runs. A run ends when the sink has all and the last delivery is settled.
 */
import { measure } from '../lib/measure.mjs'
import { postfixVersion, startPostfix, tuningText, whyNoPostfix } from '../lib/postfix.mjs'
import { WORK_FOLDER, startServer } from '../lib/server.mjs'
import { haveSmtpTools, runSmtpSource, startSmtpSink } from '../lib/smtp-tools.mjs'
import { median, until } from '../lib/util.mjs'

/** One run over a fresh instance: some mail to get warm, then what counts. */
async function runOf({ port, part, sink, messages, keepOpen, settled }) {
  const send = async (count) => {
    const target = sink.count() + count
    await runSmtpSource({ port, messages: count, keepOpen })
    await until(() => sink.count() >= target && settled(), 'the mail to be delivered')
  }
  await send(Math.max(50, Math.ceil(messages / 8)))
  return measure({ part, sink }, () => send(messages))
}

async function ourRun(options) {
  const sink = await startSmtpSink()
  const server = await startServer({ hops: [{ port: sink.port }], profile: options.profile })
  const settled = () => server.open() === 0
  const run = await runOf({ ...options, port: server.smtp, part: server, sink, settled })
  sink.stop()
  return { ...run, memory: server.memory().most, spent: await server.close() }
}

async function peerRun(options) {
  const sink = await startSmtpSink()
  const postfix = await startPostfix(WORK_FOLDER, sink.port)
  const settled = () => true
  try {
    return await runOf({ ...options, port: postfix.port, part: postfix, sink, settled })
  } finally {
    postfix.stop()
    sink.stop()
  }
}

async function relay(context, { keepOpen, messages, peerMessages, target, ratioTarget }) {
  if (!haveSmtpTools())
    return { skipped: 'smtp-source and smtp-sink (of Postfix) are not installed' }
  const ours = { messages: context.scaled(messages), keepOpen }
  const theirs = { messages: context.scaled(peerMessages), keepOpen }
  const noPeer = whyNoPostfix()
  if (noPeer !== undefined) context.say(`  PEER SKIPPED: ${noPeer}`)
  const runs = []
  const peers = []
  for (let round = 0; round < context.rounds; round++) {
    runs.push(await ourRun(ours))
    context.say(`  ${context.line(runs.at(-1), ours.messages)}`)
    if (noPeer !== undefined) continue
    peers.push(await peerRun(theirs))
    context.say(`  Postfix: ${context.line(peers.at(-1), theirs.messages)}`)
  }
  const rate = median(runs.map((run) => ours.messages / run.seconds))
  const figures = [{ what: 'messages per second', value: rate, unit: 'msg/s', atLeast: target }]
  if (peers.length > 0) {
    const peerRate = median(peers.map((run) => theirs.messages / run.seconds))
    figures.push({ what: 'times Postfix', value: rate / peerRate, unit: '×', atLeast: ratioTarget })
    figures.push({ what: 'Postfix', value: peerRate, unit: 'msg/s' })
    figures.push(context.cpuFigure('Postfix: processor time', peers, theirs.messages))
  }
  figures.push(...context.costFigures(runs, ours.messages))
  figures.push({
    what: 'memory at most',
    value: Math.max(...runs.map((run) => run.memory)) / 2 ** 20,
    unit: 'MiB',
  })
  const profiled = context.profile ? await ourRun({ ...ours, profile: true }) : undefined
  return {
    figures,
    others: Math.max(...[...runs, ...peers].map((run) => run.others)),
    spent: profiled?.spent,
    notes: [
      `smtp-source, 2 processes with 25 sessions each; ${ours.messages} messages, ${context.rounds} runs, medians.`,
      noPeer === undefined
        ? `Postfix ${postfixVersion()} between our runs, ${theirs.messages} messages each, with ${tuningText()} and its connection cache on.`
        : `No peer: ${noPeer}.`,
    ],
  }
}

export const kept = {
  name: 'relay',
  title: 'Relay, 4 KB, 50 sessions kept open',
  run: (context) =>
    relay(context, {
      keepOpen: true,
      messages: 40_000,
      peerMessages: 5_000,
      target: 5_000,
      ratioTarget: 7,
    }),
}

export const fresh = {
  name: 'connections',
  title: 'Relay, 4 KB, a new connection per message',
  run: (context) =>
    relay(context, {
      keepOpen: false,
      messages: 15_000,
      peerMessages: 4_000,
      target: 1_700,
      ratioTarget: 3,
    }),
}
