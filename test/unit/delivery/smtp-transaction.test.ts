import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { Outcome } from '../../../server/core/outcome.ts'
import { send } from '../../../server/delivery/smtp/transaction.ts'
import { startSink } from '../../support/sink.ts'
import type { Sink, SinkOptions } from '../../support/sink.ts'
import { aMail, connectTo } from '../../support/smtp-client.ts'

const PLAIN = ['SIZE 52428800', '8BITMIME', 'SMTPUTF8']
const PIPELINED = ['PIPELINING', ...PLAIN]

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

describe.each([
  ['pipelined', PIPELINED, false],
  ['one by one', PLAIN, false],
  ['pipelined, replies in pieces', PIPELINED, true],
])('a mail, %s', (_name, capabilities, dribble) => {
  test('is delivered', async () => {
    const sink = await sinkWith({ capabilities, dribble })
    const connection = await connectTo(sink)
    const outcome = await send(connection, aMail('ok@a.test'))
    expect(end(outcome)).toEqual(['accepted', 'body', 250])
    expect(outcome).toMatchObject({
      host: 'mx.sink.test',
      ip: '127.0.0.1',
      sourceIp: '127.0.0.1',
      tls: undefined,
      reply: { code: 250, enhanced: '2.0.0', text: 'taken as 1.1' },
    })
    expect(sink.messages).toMatchObject([
      {
        mailFrom: 'bounces@posthorn.test',
        parameters: 'SIZE=26',
        rcptTo: ['ok@a.test'],
        data: Buffer.from('Subject: hello\r\n\r\nHello.\r\n'),
      },
    ])
    expect(sink.violations).toEqual([])
    await connection.close()
  })

  test.each([
    ['defer-450', 'refused', 'rcpt', 450],
    ['bounce-550', 'refused', 'rcpt', 550],
    ['bounce-550-after-data', 'refused', 'body', 550],
    ['defer-451-after-data', 'refused', 'body', 451],
    ['greylist', 'refused', 'rcpt', 451],
    ['550-after-0-rcpt', 'refused', 'rcpt', 550],
    ['echo', 'accepted', 'body', 250],
  ])('%s: then the next on the same connection', async (name, kind, stage, code) => {
    const sink = await sinkWith({ capabilities, dribble })
    const connection = await connectTo(sink)
    expect(end(await send(connection, aMail(`${name}@a.test`)))).toEqual([kind, stage, code])
    expect(connection.usable).toBe(true)
    const next = await send(connection, aMail('ok@a.test'))
    expect(end(next)).toEqual(['accepted', 'body', 250])
    expect(next.transcript).toMatch(/^! reused connection, message 2\n/)
    expect([connection.messages, sink.connections]).toEqual([2, 1])
    expect(sink.violations).toEqual([])
    await connection.close()
  })

  test.each([
    ['defer-421', 'refused', 'rcpt', 421],
    ['defer-421-after-data', 'refused', 'body', 421],
    ['drop-in-data', 'failed', 'body', 'connection-lost'],
    ['drop-after-data', 'failed', 'body', 'connection-lost'],
  ])('%s: and the connection is over', async (name, kind, stage, what) => {
    const connection = await connectTo(await sinkWith({ capabilities, dribble }))
    expect(end(await send(connection, aMail(`${name}@a.test`)))).toEqual([kind, stage, what])
    expect(connection.usable).toBe(false)
    const late = await send(connection, aMail('ok@a.test'))
    expect(end(late)).toEqual(['failed', 'mail', 'connection-lost'])
  })

  const scripted = (
    word: string,
    reply: string,
    expected: readonly unknown[],
    usable: boolean,
  ): void =>
    test(`${word} answered with ${reply}`, async () => {
      const replies = (command: string): string | undefined =>
        command.startsWith(word) ? reply : undefined
      const sink = await sinkWith({ capabilities, dribble, replies })
      const connection = await connectTo(sink)
      expect(end(await send(connection, aMail('ok@a.test')))).toEqual(expected)
      expect(connection.usable).toBe(usable)
      connection.destroy()
    })
  scripted('MAIL', '550 5.7.1 no', ['refused', 'mail', 550], true)
  scripted('MAIL', '421 4.7.0 bye', ['refused', 'mail', 421], false)
  scripted('MAIL', '354 what', ['failed', 'mail', 'protocol'], false)
  scripted('MAIL', 'nonsense', ['failed', 'mail', 'protocol'], false)
  scripted('RCPT', '354 what', ['failed', 'rcpt', 'protocol'], false)
  scripted('DATA', '554 5.5.1 no', ['refused', 'data', 554], true)
  scripted('DATA', '250 ok', ['failed', 'data', 'protocol'], false)
  scripted('.', '354 what', ['failed', 'body', 'protocol'], false)
  scripted('.', '250 2.0.0 kept', ['accepted', 'body', 250], true)

  test.each([
    ['MAIL', 'mail', { mailMs: 30 }],
    ['RCPT', 'rcpt', { rcptMs: 30 }],
    ['DATA', 'data', { dataMs: 30 }],
    ['.', 'body', { bodyMs: 30 }],
  ])('no reply to %s', async (word, stage, timeouts) => {
    let mute = false
    const replies = (line: string): string | undefined => {
      mute ||= line.startsWith(word)
      return mute ? '' : undefined
    }
    const connection = await connectTo(await sinkWith({ capabilities, replies }), { timeouts })
    const outcome = await send(connection, aMail('ok@a.test'))
    expect(end(outcome)).toEqual(['failed', stage, 'timeout'])
    expect(outcome.transcript).toMatch(/! no reply in time\n$/)
    expect(connection.usable).toBe(false)
  })
})

describe('an abandoned transaction', () => {
  const commandsOf = async (capabilities: readonly string[]): Promise<readonly string[]> => {
    const seen: string[] = []
    const sink = await sinkWith({ capabilities, replies: (line) => void seen.push(line) })
    const connection = await connectTo(sink)
    await send(connection, aMail('bounce-550@a.test'))
    await send(connection, aMail('ok@a.test'))
    await send(connection, aMail('ok@a.test'))
    await connection.close()
    return seen.map((line) => line.slice(0, 4))
  }
  const mail = ['MAIL', 'RCPT', 'DATA', '.']

  test('is reset before the next, and only then', async () => {
    const refused = ['EHLO', 'MAIL', 'RCPT', 'DATA', 'RSET']
    expect(await commandsOf(PIPELINED)).toEqual([...refused, ...mail, ...mail, 'QUIT'])
  })
  test('one by one too', async () => {
    const refused = ['EHLO', 'MAIL', 'RCPT', 'RSET']
    expect(await commandsOf(PLAIN)).toEqual([...refused, ...mail, ...mail, 'QUIT'])
  })
  test.each([
    ['550 5.5.1 no', ['failed', 'mail', 'protocol']],
    ['421 4.3.2 bye', ['refused', 'mail', 421]],
  ])('a refused RSET (%s) is not held against the mail', async (reply, expected) => {
    const replies = (line: string): string | undefined => (line === 'RSET' ? reply : undefined)
    const connection = await connectTo(await sinkWith({ replies }))
    await send(connection, aMail('bounce-550@a.test'))
    expect(end(await send(connection, aMail('ok@a.test')))).toEqual(expected)
    expect(connection.usable).toBe(false)
  })
})

describe('DATA accepted after a refusal', () => {
  const replies = (line: string): string | undefined => (line === 'DATA' ? '354 go on' : undefined)

  test.each(['bounce-550@a.test', 'defer-450@a.test'])('%s gets an empty message', async (to) => {
    const sink = await sinkWith({ replies })
    const connection = await connectTo(sink)
    const outcome = await send(connection, aMail(to))
    expect(end(outcome).slice(0, 2)).toEqual(['refused', 'rcpt'])
    expect(outcome.transcript).toMatch(/< 354 go on\n> \.\n< 554 5\.5\.1 no valid recipients\n$/)
    expect(end(await send(connection, aMail('ok@a.test')))).toEqual(['accepted', 'body', 250])
    expect(sink.messages.map(({ rcptTo }) => rcptTo)).toEqual([['ok@a.test']])
    await connection.close()
  })

  test('the earliest refusal counts, whatever is said later', async () => {
    const sink = await sinkWith({
      replies: (line) =>
        line.startsWith('MAIL')
          ? '550 5.7.1 first'
          : line === 'DATA'
            ? '421 4.0.0 last'
            : undefined,
    })
    const connection = await connectTo(sink)
    expect(end(await send(connection, aMail('ok@a.test')))).toEqual(['refused', 'mail', 550])
    expect(connection.usable).toBe(false)
  })
})

describe('what a host cannot take is not sent', () => {
  const fails = (
    capabilities: readonly string[],
    mail: Parameters<typeof aMail>[1],
    fault: string,
    reason: string,
  ): void =>
    test(reason, async () => {
      const sink = await sinkWith({ capabilities })
      const connection = await connectTo(sink)
      const outcome = await send(connection, aMail('ok@a.test', mail))
      expect(end(outcome)).toEqual(['failed', 'mail', fault])
      expect(outcome.transcript).not.toContain('> MAIL')
      expect([connection.usable, connection.messages]).toEqual([true, 0])
      connection.destroy()
    })
  fails(['PIPELINING'], { smtpUtf8: true }, 'needs-smtputf8', 'SMTPUTF8 is not offered')
  fails(['SIZE 10'], {}, 'too-big', 'the size limit is below ours')

  test('parameters are said where they are understood', async () => {
    const sink = await sinkWith()
    const connection = await connectTo(sink)
    const mail = { smtpUtf8: true, eightBit: true, mailFrom: 'é@posthorn.test', text: 'a: ü\r\n' }
    await send(connection, aMail('ok+ü@a.test', mail))
    expect(sink.messages[0]).toMatchObject({
      mailFrom: 'é@posthorn.test',
      rcptTo: ['ok+ü@a.test'],
      parameters: 'SIZE=7 BODY=8BITMIME SMTPUTF8',
      data: Buffer.from('a: ü\r\n'),
    })
    await connection.close()
  })

  test('8-bit content goes as it is when 8BITMIME is not offered', async () => {
    const sink = await sinkWith({ capabilities: [] })
    const connection = await connectTo(sink)
    const outcome = await send(connection, aMail('ok@a.test', { eightBit: true, text: 'ü\r\n' }))
    expect(outcome.kind).toBe('accepted')
    expect(outcome.transcript).toContain('! 8-bit content although 8BITMIME is not offered\n')
    expect(sink.messages[0]).toMatchObject({ parameters: '', data: Buffer.from('ü\r\n') })
    await connection.close()
  })
})

describe('our own faults are exceptions', () => {
  const rejects = (mail: Parameters<typeof aMail>[1], reason: string): void =>
    test(reason, async () => {
      const sink = await sinkWith()
      const connection = await connectTo(sink)
      await expect(send(connection, aMail('ok@a.test', mail))).rejects.toMatchObject({
        code: 'INTERNAL',
      })
      expect(connection.usable).toBe(true)
      expect((await send(connection, aMail('ok@a.test'))).kind).toBe('accepted')
      expect(sink.messages).toHaveLength(1)
      await connection.close()
    })
  rejects({ text: 'a\nb\r\n' }, 'a bare LF in the content')
  rejects({ text: 'a\r.\r\nb\r\n' }, 'a bare CR in the content')
  rejects({ recipient: 'a@b\r\nRCPT TO:<c@d' }, 'a line end in the recipient')
  rejects({ mailFrom: 'a@b\0' }, 'a NUL in the sender')
  rejects(
    { recipient: 'ü@a.test' },
    'an address that needs SMTPUTF8 in a mail that says it does not',
  )

  test('a second mail on a busy connection', async () => {
    const connection = await connectTo(await sinkWith())
    const first = send(connection, aMail('ok@a.test'))
    await expect(send(connection, aMail('ok@a.test'))).rejects.toMatchObject({ code: 'INTERNAL' })
    expect((await first).kind).toBe('accepted')
    await connection.close()
  })
})

describe('large content', () => {
  const line = `.${'x'.repeat(76)}\r\n`
  const large = Buffer.from(line.repeat(30_000)) // 2.4 MB, each line to be stuffed

  test('goes out in pieces and arrives whole', async () => {
    const sink = await sinkWith()
    const connection = await connectTo(sink)
    const pieces = [large.subarray(0, 77), large.subarray(77, 100_000), large.subarray(100_000)]
    const mail = { content: pieces, size: large.length }
    const outcome = await send(connection, aMail('ok@a.test', mail))
    expect(outcome.transcript).toContain('> [2,370,000 bytes]\n')
    expect(sink.messages[0]!.data.equals(large)).toBe(true)
    await connection.close()
  })

  async function* stream(chunks: readonly Buffer[], error?: Error): AsyncGenerator<Buffer> {
    yield* chunks
    if (error !== undefined) throw error
  }

  test('may come from a stream', async () => {
    const sink = await sinkWith()
    const connection = await connectTo(sink)
    const content = stream([large.subarray(0, 5000), large.subarray(5000, 7900)])
    await send(connection, aMail('ok@a.test', { content, size: 7900 }))
    expect(sink.messages[0]!.data.equals(large.subarray(0, 7900))).toBe(true)
    expect(connection.usable).toBe(true)
    await connection.close()
  })

  test.each([
    ['breaks', stream([Buffer.from('a\r\n')], new Error('disk gone')), /disk gone/],
    ['is not clean', stream([Buffer.from('a\r\nb\nc\r\n')]), /wrong on our side/],
  ])('a stream that %s leaves no message behind', async (_name, content, error) => {
    const sink = await sinkWith()
    const connection = await connectTo(sink)
    await expect(send(connection, aMail('ok@a.test', { content }))).rejects.toThrow(error)
    expect(connection.usable).toBe(false)
    expect(sink.messages).toEqual([])
  })

  test('a host that closes in the middle ends it', async () => {
    const connection = await connectTo(await sinkWith())
    const mail = { content: large, size: large.length }
    const outcome = await send(connection, aMail('drop-in-data@a.test', mail))
    expect(end(outcome)).toEqual(['failed', 'body', 'connection-lost'])
  })
})

test('whatever the lines are, they arrive', async () => {
  const sink = await sinkWith()
  const connection = await connectTo(sink)
  const lines = fc.array(fc.stringMatching(/^[.a ]{0,5}$/), { maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(lines, async (parts) => {
      const text = parts.map((part) => `${part}\r\n`).join('')
      await send(connection, aMail('ok@a.test', { text }))
      expect(sink.messages.at(-1)!.data.toString()).toBe(text)
    }),
    { numRuns: 200 },
  )
  expect([sink.sawBareNewline, sink.violations]).toEqual([false, []])
  await connection.close()
})
