import { isAscii } from 'node:buffer'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { downgradeMessage } from '../../server/protocol/downgrade.ts'
import { inspectMessage, type Inspection } from '../../server/protocol/inspect.ts'
import { repairLineEnds, scanLines } from '../../server/protocol/lines.ts'
import { normaliseMessage } from '../../server/protocol/normalise.ts'

const piece = fc.constantFrom(
  'From: Jane <jane@example.com>\r\n',
  'Bcc: x@y.z\r\n',
  'X-Posthorn-Tag: a\r\n',
  'Date: Tue, 03 Jun 2025 10:00:00 +0000\r\n',
  'Message-ID: <a@b.c>\r\n',
  'Message-ID: bad\r\n',
  'Subject: ü\r\n',
  'MIME-Version: 1.0\r\n',
  'Content-Type: multipart/mixed; boundary=b\r\n',
  'Content-Type: message/rfc822\r\n',
  'Content-Type: text/plain; charset=utf-8\r\n',
  'Content-Transfer-Encoding: 8bit\r\n',
  'Content-Transfer-Encoding: base64\r\n',
  'Content-Transfer-Encoding: quoted-printable\r\n',
  '--b\r\n',
  '--b--\r\n',
  '\r\n--b\r\n',
  '\r\n',
  'text\r\n',
  'grüße\r\n',
  '=3D \t',
  '.\r\n',
  'x'.repeat(1100),
  ' folded\r\n',
)
const breaker = fc.constantFrom('\r', '\n', '\n.\n', '\r\n.\n', '\0', ':', ' ')
const message = fc
  .tuple(
    fc.array(piece, { maxLength: 8 }),
    fc.array(fc.oneof({ weight: 9, arbitrary: piece }, { weight: 1, arbitrary: breaker }), {
      maxLength: 25,
    }),
  )
  .map(([head, rest]) =>
    Buffer.from(
      `From: a@b.c\r\n${[...head].filter((p) => !p.startsWith('From')).join('')}${rest.join('')}`,
    ),
  )
const noise = fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes))
const anything = fc.oneof({ weight: 4, arbitrary: message }, { weight: 1, arbitrary: noise })

const facts = {
  now: 1_750_000_000_000,
  messageIdDomain: 'mx.example.com',
  newMessageId: () => 'id',
}
const hasBareLineEnd = (raw: Buffer): boolean => /\r(?!\n)|(?<!\r)\n/.test(raw.toString('latin1'))
/** Slow input is slow each time; a busy machine is not. */
const within = <T>(ms: number, work: () => T): T => {
  let fastest = Infinity
  for (let tries = 0; tries < 5 && fastest >= ms; tries++) {
    const started = performance.now()
    work()
    fastest = Math.min(fastest, performance.now() - started)
  }
  expect(fastest).toBeLessThan(ms)
  return work()
}

describe('line ends', () => {
  const ends = fc
    .array(fc.constantFrom('\r', '\n', '\r\n', 'a', 'bc'), { maxLength: 40 })
    .map((parts) => Buffer.from(parts.join('')))
  test('the scan agrees with the definition', () => {
    fc.assert(
      fc.property(ends, (raw) => {
        const lines = raw.toString().split('\r\n')
        const longest = Math.max(...lines.map((line) => line.length))
        expect(scanLines(raw)).toBe(hasBareLineEnd(raw) ? -1 : longest)
      }),
      { numRuns: 3000 },
    )
  })
  test('repair leaves none bare and is idempotent', () => {
    fc.assert(
      fc.property(ends, (raw) => {
        const repaired = repairLineEnds(raw)
        expect(hasBareLineEnd(repaired)).toBe(false)
        expect(repairLineEnds(repaired).equals(repaired)).toBe(true)
        const plain = (bytes: Buffer): string => bytes.toString().replace(/[\r\n]/g, '')
        expect(plain(repaired)).toBe(plain(raw))
      }),
      { numRuns: 1000 },
    )
  })
  test('a bare line end anywhere in a large message is found, whatever the scan windows', () => {
    const large = Buffer.from(`${'x'.repeat(70)}\r\n`.repeat(25_000))
    fc.assert(
      fc.property(fc.nat(large.length - 1), fc.constantFrom(10, 13), (at, byte) => {
        const was = large[at]!
        large[at] = byte
        const found = scanLines(large)
        const near = large.subarray(Math.max(0, at - 2), at + 3)
        const expected = hasBareLineEnd(Buffer.concat([Buffer.from('x'), near, Buffer.from('x')]))
        large[at] = was
        // Cut out of its surroundings, a CR before or LF after the piece could be missing.
        if (!/^\n|\r$/.test(near.toString('latin1'))) expect(found < 0).toBe(expected)
      }),
      { numRuns: 60 },
    )
  })
})

test('accepted messages are safe, and normalising them is idempotent', () => {
  let accepted = 0
  fc.assert(
    fc.property(anything, fc.boolean(), (raw, repair) => {
      const inspection = within(100, () => inspectMessage(raw, { repair, smtpUtf8: true }))
      if (!inspection.ok) return
      accepted++
      expect(hasBareLineEnd(inspection.raw)).toBe(false)
      const { raw: kept } = within(100, () => normaliseMessage(inspection, facts))
      expect(hasBareLineEnd(kept)).toBe(false)
      expect(kept.includes(0)).toBe(false)
      expect(kept.subarray(-2).toString()).toBe('\r\n')

      const again = inspectMessage(kept, { smtpUtf8: true })
      if (!again.ok) throw new Error(again.text)
      expect(again.fieldsToDrop).toEqual([])
      expect(again.header.from).toBe(inspection.header.from)
      expect(normaliseMessage(again, facts).raw.equals(kept)).toBe(true)
      const names = again.parsed.fields.map((field) => field.name)
      for (const name of names) expect(name).not.toMatch(/^(?:bcc|return-path|x-posthorn-.*)$/)
      for (const name of ['date', 'message-id', 'from']) {
        expect(names.filter((one) => one === name)).toHaveLength(1)
      }
    }),
    { numRuns: 3000 },
  )
  expect(accepted, 'the generator makes acceptable messages').toBeGreaterThan(100)
})

test('downgraded messages are 7-bit safe where nothing was reported, and stable', () => {
  let changed = 0
  fc.assert(
    fc.property(message, (raw) => {
      const inspection = inspectMessage(raw, { repair: true, smtpUtf8: true })
      if (!inspection.ok) return
      const once = within(100, () => downgradeMessage(inspection.raw))
      expect(hasBareLineEnd(once.raw)).toBe(false)
      if (once.untouched.length === 0) {
        expect(isAscii(once.raw)).toBe(true)
        expect(scanLines(once.raw)).toBeLessThanOrEqual(998)
      }
      if (once.changed) changed++
      const twice = downgradeMessage(once.raw)
      expect(twice.raw.equals(once.raw)).toBe(true)
      const after = inspectMessage(once.raw, { smtpUtf8: true })
      if (!after.ok) throw new Error(after.text)
      expect(essence(after)).toEqual(essence(inspection))
    }),
    { numRuns: 3000 },
  )
  expect(changed).toBeGreaterThan(100)
})

const essence = ({ header, posthorn }: Inspection): unknown => ({ header, posthorn })

test('downgrading noise never throws', () => {
  fc.assert(
    fc.property(noise, message, (bytes, raw) => {
      for (const input of [bytes, Buffer.concat([raw, bytes])]) {
        within(100, () => downgradeMessage(repairLineEnds(input)))
      }
    }),
    { numRuns: 1000 },
  )
})
