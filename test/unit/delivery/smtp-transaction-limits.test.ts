import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Outcome } from '../../../server/core/outcome.ts'
import type { Clock } from '../../../server/core/ports.ts'
import { send } from '../../../server/delivery/smtp/transaction.ts'
import { makeCertificate } from '../../support/certificate.ts'
import type { Certificate } from '../../support/certificate.ts'
import { manualClock } from '../../support/clock.ts'
import { startSink } from '../../support/sink.ts'
import type { Sink, SinkOptions } from '../../support/sink.ts'
import { aMail, connectTo, TLS_REQUIRED } from '../../support/smtp-client.ts'

const sinks: Sink[] = []
async function sinkWith(options: SinkOptions = {}): Promise<Sink> {
  const sink = await startSink(options)
  sinks.push(sink)
  return sink
}
afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.close()))
})

const end = ({ kind, stage, fault, reply }: Outcome): readonly unknown[] => [
  kind,
  stage,
  fault ?? reply?.code,
]

describe('the transcript', () => {
  test('of the first mail holds the greeting, of the next what was said', async () => {
    const connection = await connectTo(await sinkWith({ capabilities: ['PIPELINING'] }))
    const first = await send(connection, aMail('ok@a.test'))
    expect(first.transcript).toMatch(
      /^! connected .*\n< 220 .*\n> EHLO .*\n(< 250.*\n)+> MAIL FROM/,
    )
    const next = await send(connection, aMail('ok@a.test'))
    expect(next.transcript).toBe(
      [
        '! reused connection, message 2',
        '> MAIL FROM:<bounces@posthorn.test>',
        '> RCPT TO:<ok@a.test>',
        '> DATA',
        '< 250 2.1.0 ok',
        '< 250 2.1.5 ok',
        '< 354 end data with <CR><LF>.<CR><LF>',
        '> [26 bytes]',
        '< 250 2.0.0 taken as 1.2',
        '',
      ].join('\n'),
    )
    await connection.close()
  })

  test('is bounded', async () => {
    const wordy = Array.from({ length: 40 }, () => `550-${'x'.repeat(90)}`).join('\r\n')
    const replies = (line: string): string | undefined =>
      line.startsWith('RCPT') ? `${wordy}\r\n550 done` : undefined
    const connection = await connectTo(await sinkWith({ replies }), { transcriptChars: 600 })
    const { transcript, reply } = await send(connection, aMail('ok@a.test'))
    expect(transcript.length).toBeLessThan(640)
    expect(transcript).toMatch(/! transcript cut here\n$/)
    expect(reply?.text).toMatch(/^x+ .* done$/)
    connection.destroy()
  })
})

describe('limits of the host', () => {
  test('RFC 9422 MAILMAX is kept', async () => {
    const connection = await connectTo(await sinkWith({ capabilities: ['LIMITS MAILMAX=2'] }))
    await send(connection, aMail('ok@a.test'))
    expect(connection.usable).toBe(true)
    await send(connection, aMail('ok@a.test'))
    expect(connection.usable).toBe(false)
    await connection.close()
  })

  test('too many messages in one connection', async () => {
    const connection = await connectTo(await sinkWith({ maxMessagesPerConnection: 1 }))
    await send(connection, aMail('ok@a.test'))
    expect(end(await send(connection, aMail('ok@a.test')))).toEqual(['refused', 'mail', 421])
  })

  test('a rate', async () => {
    const now = 0
    const connection = await connectTo(await sinkWith({ ratePerSecond: 2, now: () => now }))
    const outcomes: unknown[] = []
    for (let i = 0; i < 3; i++) outcomes.push(end(await send(connection, aMail('ok@a.test')))[2])
    expect(outcomes).toEqual([250, 250, 421])
  })
})

describe('under TLS', () => {
  let certificate: Certificate
  beforeAll(async () => {
    certificate = await makeCertificate(['mx.sink.test'])
  })
  test('mail goes the same way', async () => {
    const sink = await sinkWith({ tls: certificate })
    const connection = await connectTo(sink, { tls: TLS_REQUIRED })
    const text = `${'x'.repeat(70)}\r\n`.repeat(3000)
    for (const body of ['a\r\n', text]) {
      const outcome = await send(connection, aMail('ok@a.test', { text: body }))
      expect(outcome.tls?.protocol).toBe('TLSv1.3')
    }
    expect(sink.messages.map(({ tls, size }) => [tls, size])).toEqual([
      [true, 3],
      [true, text.length],
    ])
    await connection.close()
  })
})

describe('deadlines', () => {
  test('need one timer for a connection, whatever the number of mails', async () => {
    const manual = manualClock()
    let made = 0
    const after: Clock['after'] = (ms, callback) => {
      made++
      return manual.after(ms, callback)
    }
    const connection = await connectTo(await sinkWith(), { clock: { ...manual, after } })
    await send(connection, aMail('ok@a.test'))
    const before = made
    for (let i = 0; i < 5; i++) await send(connection, aMail('ok@a.test'))
    expect([made, manual.pending()]).toEqual([before, 1])
    await connection.close()
    expect(manual.pending()).toBe(0)
  })

  test('an idle connection outlives them', async () => {
    const clock = manualClock()
    const connection = await connectTo(await sinkWith(), { clock })
    await send(connection, aMail('ok@a.test'))
    await clock.advance(86_400_000)
    expect(connection.usable).toBe(true)
    expect((await send(connection, aMail('ok@a.test'))).kind).toBe('accepted')
    connection.destroy()
  })

  test('the final dot may take its ten minutes, and not more', async () => {
    const clock = manualClock()
    let dotSeen = false
    const replies = (line: string): string | undefined => {
      dotSeen ||= line === '.'
      return dotSeen ? '' : undefined
    }
    const connection = await connectTo(await sinkWith({ replies }), { clock })
    let outcome: Outcome | undefined
    void send(connection, aMail('ok@a.test')).then((value) => (outcome = value))
    await expect.poll(() => dotSeen).toBe(true)
    await clock.advance(599_000)
    expect(outcome).toBeUndefined()
    await clock.advance(2000)
    expect(outcome).toMatchObject({ stage: 'body', fault: 'timeout' })
  })
})

test('a polite end waits for the answer to QUIT, but not for ever', async () => {
  const clock = manualClock()
  const replies = (line: string): string | undefined => (line === 'QUIT' ? '' : undefined)
  const connection = await connectTo(await sinkWith({ replies }), { clock })
  let closed = false
  void connection.close().then(() => (closed = true))
  await clock.advance(900)
  expect(closed).toBe(false)
  await clock.advance(200)
  expect(closed).toBe(true)
})
