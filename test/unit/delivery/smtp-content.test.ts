import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createStuffer, prepareContent } from '../../../server/delivery/smtp/content.ts'
import { SinkData } from '../../support/sink-data.ts'

const stuffed = (text: string): string => prepareContent(Buffer.from(text)).toString()

describe('content on the wire', () => {
  const becomes = (text: string, expected: string, reason: string): void =>
    test(reason, () => expect(stuffed(text)).toBe(expected))

  becomes('a\r\n', 'a\r\n.\r\n', 'ends after its last line')
  becomes('a', 'a\r\n.\r\n', 'a last line without CRLF gets one')
  becomes('', '.\r\n', 'nothing at all')
  becomes('.', '..\r\n.\r\n', 'a lone dot')
  becomes('.\r\n', '..\r\n.\r\n', 'a dot line would end the data')
  becomes('.a\r\nb\r\n', '..a\r\nb\r\n.\r\n', 'a dot at the very beginning')
  becomes(
    'a\r\n.b\r\n..c\r\nd.\r\n',
    'a\r\n..b\r\n...c\r\nd.\r\n.\r\n',
    'dots that begin a line only',
  )
  becomes('a\r\n.', 'a\r\n..\r\n.\r\n', 'a dot at the very end')
  becomes('\r\n.\r\n', '\r\n..\r\n.\r\n', 'an empty line first')
})

describe('content that must not be sent', () => {
  const bad = (text: string, reason: string): void => {
    test(reason, () => expect(() => stuffed(text)).toThrow())
    test(`${reason}, in pieces`, () => {
      const stuffer = createStuffer()
      expect(() => {
        for (const byte of Buffer.from(text)) stuffer.push(Buffer.of(byte))
        stuffer.end()
      }).toThrow()
    })
  }
  bad('a\nb\r\n', 'a bare LF')
  bad('a\rb\r\n', 'a bare CR')
  bad('\na\r\n', 'a bare LF first')
  bad('a\r\n\n', 'a bare LF last')
  bad('a\r', 'a bare CR last')
  bad('a\r\r\n', 'a doubled CR')
  bad('a\n.\nb\r\n', 'a smuggled end of data')
  bad('a\n\r.\r\nb\r\n', 'LF CR, as many of each')
})

// Few letters, so that dots and line ends meet often.
const lines = fc.array(fc.stringMatching(/^[.a]{0,4}$/), { maxLength: 8 })
const message = fc
  .tuple(lines, fc.boolean())
  .map(([parts, open]) => parts.map((part) => `${part}\r\n`).join('') + (open ? '.x' : ''))

function received(wire: readonly Buffer[]): string {
  const data = new SinkData(true)
  const all = Buffer.concat(wire)
  expect(data.take(all)).toBe(all.length)
  return data.content().toString()
}
const closed = (text: string): string =>
  text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`

test('what arrives is what was sent, in one piece or in many', () => {
  fc.assert(
    fc.property(message, fc.array(fc.nat(40)), (text, cuts) => {
      const bytes = Buffer.from(text)
      expect(received([prepareContent(bytes)])).toBe(closed(text))

      const edges = [
        0,
        ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b),
        bytes.length,
      ]
      const pieces = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge))
      expect(prepareContent(pieces)).toEqual(prepareContent(bytes))
      const stuffer = createStuffer()
      const wire = [...pieces.map((piece) => stuffer.push(piece)), stuffer.end()]
      expect(Buffer.concat(wire)).toEqual(prepareContent(bytes))
    }),
  )
})

test('the end of data is found wherever the network cuts', () => {
  fc.assert(
    fc.property(message, fc.integer({ min: 1, max: 7 }), (text, width) => {
      const wire = Buffer.concat([prepareContent(Buffer.from(text)), Buffer.from('QUIT\r\n')])
      const data = new SinkData(true)
      let rest = wire
      for (;;) {
        const used = data.take(rest.subarray(0, width))
        rest = rest.subarray(used ?? width)
        if (used !== undefined) break
      }
      expect(data.content().toString()).toBe(closed(text))
      expect(rest.toString()).toBe('QUIT\r\n')
    }),
  )
})
