import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createReplyReader } from '../../../server/protocol/reply.ts'
import type { ParsedReply } from '../../../server/protocol/reply.ts'

function read(...chunks: readonly (string | Buffer)[]) {
  const replies: ParsedReply[] = []
  const reader = createReplyReader((reply) => replies.push(reply))
  let problem: string | undefined
  for (const chunk of chunks) problem = reader.push(Buffer.from(chunk))
  return { replies, problem, idle: reader.idle() }
}
const one = (text: string): ParsedReply => {
  const { replies, problem } = read(text)
  expect(problem).toBeUndefined()
  expect(replies).toHaveLength(1)
  return replies[0]!
}

describe('a reply', () => {
  const good = (text: string, expected: Partial<ParsedReply>, reason: string): void =>
    test(reason, () => expect(one(text)).toMatchObject(expected))

  good('250 OK\r\n', { code: 250, enhanced: undefined, text: 'OK' }, 'one line')
  good('250 2.1.0 OK\r\n', { code: 250, enhanced: '2.1.0', text: 'OK' }, 'enhanced code')
  good('250\r\n', { code: 250, text: '' }, 'a code alone')
  good('250 \r\n', { code: 250, text: '' }, 'a code and a space')
  good('250 OK\n', { code: 250, text: 'OK' }, 'a bare LF')
  good('250\tOK\r\n', { code: 250, text: 'OK' }, 'a tab after the code')
  good(
    '550-5.1.1 no\r\n550 5.1.1 such\r\n',
    { enhanced: '5.1.1', text: 'no such' },
    'repeated code',
  )
  good('550-5.1.1 no\r\n550 such\r\n', { enhanced: '5.1.1', text: 'no such' }, 'code once')
  good('550-a\r\n550 5.1.1 b\r\n', { enhanced: undefined, text: 'a 5.1.1 b' }, 'not on line one')
  good('550-5.1.1 a\r\n550 5.1.10 b\r\n', { text: 'a 5.1.10 b' }, 'another code stays in the text')
  good('550 5.1.10\r\n', { enhanced: '5.1.10', text: '' }, 'an enhanced code alone')
  good('550 5.1.1234 x\r\n', { enhanced: undefined, text: '5.1.1234 x' }, 'detail too long')
  good('550 5.1.1. x\r\n', { enhanced: undefined, text: '5.1.1. x' }, 'a dotted version, no code')
  good('220 1.2.3.4 hello\r\n', { enhanced: undefined, text: '1.2.3.4 hello' }, 'an address')
  good('250-a\r\n550 b\r\n', { code: 550, text: 'a b' }, 'the last line decides')
  good('550 a\rb\0c\u001b[31m\r\n', { text: 'a b c [31m' }, 'control characters go')
  good('550 boîte pleine\r\n', { text: 'boîte pleine' }, 'UTF-8 text')
  good('250-x\r\n250-\r\n250 y\r\n', { text: 'x  y', lines: ['x', '', 'y'] }, 'an empty line')

  test('keeps 1,024 bytes of a long line', () => {
    expect(one(`550 ${'x'.repeat(3000)}\r\n`).text).toBe('x'.repeat(1024))
  })
  test('takes a line of 4,096 bytes', () => {
    expect(one(`550 ${'x'.repeat(4092)}\r\n`).code).toBe(550)
  })
})

describe('several replies', () => {
  const text = '250-2.1.0 a\r\n250 2.1.0 b\r\n250 2.1.5 ok\r\n354 go\r\n'
  const codes = [250, 250, 354]

  test('in one chunk', () => {
    expect(read(text).replies.map(({ code }) => code)).toEqual(codes)
  })
  test('byte by byte', () => {
    const { replies, idle } = read(...text.split(''))
    expect(replies.map(({ code }) => code)).toEqual(codes)
    expect(idle).toBe(true)
  })
  test('cut anywhere, it is the same', () => {
    const whole = read(text).replies
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), text.length]
        const chunks = edges.slice(1).map((edge, i) => text.slice(edges[i], edge))
        expect(read(...chunks).replies).toEqual(whole)
      }),
    )
  })
  test('an unfinished line or reply is not idle', () => {
    expect(read('250 O').idle).toBe(false)
    expect(read('250-one\r\n').idle).toBe(false)
    expect(read('250 one\r\n').idle).toBe(true)
  })
})

describe('garbage', () => {
  const bad = (text: string | Buffer, reason: string): void =>
    test(reason, () => {
      const { replies, problem } = read(text)
      expect(problem).toBeTypeOf('string')
      expect(replies).toEqual([])
    })

  bad('hello\r\n', 'no code')
  bad('HTTP/1.1 400 Bad Request\r\n', 'a web server')
  bad('\r\n', 'an empty line')
  bad('25\r\n', 'two digits')
  bad('150 x\r\n', '1yz does not exist in SMTP')
  bad('650 x\r\n', '6yz does not exist')
  bad('2500 x\r\n', 'four digits')
  bad('250_x\r\n', 'a wrong separator')
  bad('٢٥٠ x\r\n', 'digits of another script')
  bad(Buffer.from([0x16, 3, 1, 0, 10]).toString('latin1') + '\n', 'a TLS record')
  bad('x'.repeat(5000), 'no line end in sight')
  bad(`250 ${'x'.repeat(5000)}\r\n`, 'a line too long')
  bad('250-x\r\n'.repeat(101), 'too many lines')
  bad(`250-${'x'.repeat(4000)}\r\n`.repeat(20), 'too many bytes')

  test('nothing is read after it', () => {
    const { replies, problem } = read('250 a\r\n', 'what?\r\n', '250 b\r\n')
    expect(replies.map(({ text }) => text)).toEqual(['a'])
    expect(problem).toBeTypeOf('string')
  })
  test('never throws and stays bounded, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (chunks) => {
        for (const { code, text, lines } of read(...chunks.map((c) => Buffer.from(c))).replies) {
          expect(code).toBeGreaterThanOrEqual(200)
          expect(code).toBeLessThan(600)
          expect(lines.length).toBeLessThanOrEqual(100)
          expect(text).not.toMatch(/[\r\n\0]/)
        }
      }),
    )
  })
})
