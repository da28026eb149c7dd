import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { maskAddress, parseAddress, parseDomain } from '../../server/core/address.ts'
import { formatMailbox, parseMailboxes } from '../../server/protocol/mailbox.ts'

/** Strings rich in what addresses are made of, and in what breaks them. */
const nearAddress = fc.string({
  unit: fc.constantFrom(
    ...Array.from('ab@@..<>"\\(),:;[]-_ \t\r\n\0üß日%1'),
    'xn--',
    'example.com',
    '@b.c',
  ),
  maxLength: 60,
})
const any = fc.oneof(nearAddress, fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }))
const options = fc.record({ smtpUtf8: fc.boolean(), allowQuoted: fc.boolean() })
const local = fc
  .array(fc.stringMatching(/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,8}$/), { minLength: 1, maxLength: 4 })
  .map((atoms) => atoms.join('.'))
const domain = fc.domain().filter((name) => name.length < 180)

describe('addresses', () => {
  test('whatever comes, an accepted address is safe in a command and in bounds', () => {
    fc.assert(
      fc.property(any, options, (text, how) => {
        const parsed = parseAddress(text, how)
        if (!parsed.ok) return
        expect(parsed.address).not.toMatch(/[\0-\x1f\x7f]/)
        expect(Buffer.byteLength(parsed.address)).toBeLessThanOrEqual(254)
        expect(parsed.domain).toMatch(/^[a-z0-9.-]+$/)
        expect(parsed.address).toBe(`${parsed.local}@${parsed.domain}`)
        if (!how.smtpUtf8) expect(parsed.address).toMatch(/^[\x20-\x7e]+$/)
        if (!how.allowQuoted) expect(parsed.address).not.toMatch(/[\s<>"(),:;\\[\]]/)
        expect(parseAddress(parsed.address, how), 'parsing is idempotent').toEqual(parsed)
      }),
      { numRuns: 3000 },
    )
  })
  test('every well-formed address is accepted', () => {
    fc.assert(
      fc.property(local, domain, (left, right) => {
        expect(parseAddress(`${left}@${right}`)).toMatchObject({ ok: true, local: left })
      }),
    )
  })
  test('domains: idempotent, never throws', () => {
    fc.assert(
      fc.property(any, (text) => {
        const parsed = parseDomain(text)
        if (parsed.ok) expect(parseDomain(parsed.domain)).toEqual(parsed)
      }),
      { numRuns: 500 },
    )
  })
  test('a mask is one clean word', () => {
    fc.assert(
      fc.property(any, (text) => {
        expect(maskAddress(text)).toMatch(/^#[\w@.-]+$/)
      }),
    )
  })
})

describe('mailbox lists', () => {
  test('never throw', () => {
    fc.assert(
      fc.property(any, options, (text, how) => {
        const list = parseMailboxes(text, how)
        if (list.ok) for (const one of list.mailboxes) expect(one.name).not.toMatch(/[\r\n\0]/)
      }),
      { numRuns: 3000 },
    )
  })
  test('what is written is read back', () => {
    const name = fc
      .oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme-ascii' }))
      .filter((text) => !/[\p{Cc}\u2028\u2029]/u.test(text))
    fc.assert(
      fc.property(fc.array(fc.tuple(name, local, domain), { maxLength: 5 }), (entries) => {
        const mailboxes = entries.flatMap(([display, left, right]) => {
          const parsed = parseAddress(`${left}@${right}`)
          return parsed.ok ? [{ name: display.trim(), address: parsed.address }] : []
        })
        const list = parseMailboxes(mailboxes.map(formatMailbox).join(', '))
        expect(list).toMatchObject({ ok: true, mailboxes })
      }),
      { numRuns: 500 },
    )
  })
  test('long hostile lists take linear time', () => {
    for (const piece of ['(', '"', '<', '=?', ',', 'a@b.c,', '\\', '=?a?q?', ' ', ':', '"<']) {
      const started = performance.now()
      parseMailboxes(piece.repeat(256_000 / piece.length))
      expect(performance.now() - started, piece).toBeLessThan(1000)
    }
  })
})
