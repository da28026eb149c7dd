import { describe, expect, test } from 'vitest'
import {
  maskAddress,
  parseAddress,
  parseDomain,
  type AddressOptions,
} from '../../../server/core/address.ts'

const good = (text: string, why: string, want: string, options: AddressOptions = {}): void =>
  test(`${why}: ${JSON.stringify(text)}`, () => {
    expect(parseAddress(text, options)).toMatchObject({ ok: true, address: want })
  })
const bad = (text: string, reason: string, options: AddressOptions = {}): void =>
  test(`${reason}: ${JSON.stringify(text.slice(0, 80))}`, () => {
    expect(parseAddress(text, options)).toEqual({ ok: false, reason })
  })

const quoted = { allowQuoted: true }
const utf8 = { smtpUtf8: true }
const l63 = 'a'.repeat(63)

describe('parseAddress accepts', () => {
  good('a@b.c', 'the shortest', 'a@b.c')
  good('Jane.Doe+x@Example.COM', 'the local part keeps its case', 'Jane.Doe+x@example.com')
  good("!#$%&'*+/=?^_`{|}~-@example.com", 'every atext char', "!#$%&'*+/=?^_`{|}~-@example.com")
  good(`${'a'.repeat(64)}@example.com`, '64 octets of local part', `${'a'.repeat(64)}@example.com`)
  good('a@r3---sn-x.example', 'hyphens in third and fourth place', 'a@r3---sn-x.example')
  good('a@münchen.example', 'IDN to A-label', 'a@xn--mnchen-3ya.example')
  good('a@faß.example', 'non-transitional', 'a@xn--fa-hia.example')
  good('a@xn--mnchen-3ya.example', 'A-label as it is', 'a@xn--mnchen-3ya.example')
  good('a@例え。テスト', 'ideographic full stop', 'a@xn--r8jz45g.xn--zckzah')
  good('jörg@example.com', 'UTF-8 local part by option', 'jörg@example.com', utf8)
  good('"john doe"@example.com', 'quoted by option', '"john doe"@example.com', quoted)
  good('"a@b"@example.com', 'quoted @', '"a@b"@example.com', quoted)
  good('"a\\"b\\\\"@example.com', 'quoted pairs', '"a\\"b\\\\"@example.com', quoted)
  good(`a@${l63}.example`, '63 octets of label', `a@${l63}.example`)

  test('the utf8 flag is about the local part only', () => {
    expect(parseAddress('jörg@example.com', utf8)).toMatchObject({ utf8: true, local: 'jörg' })
    expect(parseAddress('a@münchen.example', utf8)).toMatchObject({ utf8: false })
  })
})

describe('parseAddress refuses', () => {
  bad('', 'empty address')
  bad('example.com', 'no @')
  bad('@example.com', 'empty local part')
  bad('""@example.com', 'empty local part', quoted)
  bad('a@', 'empty domain')
  bad('a@b..c', 'empty label')
  bad('a@.b.c', 'empty label')
  bad('a@b.c.', 'empty label')
  bad('a@localhost', 'domain without a dot')
  bad('.a@b.c', 'local part starts or ends with a dot')
  bad('a.@b.c', 'local part starts or ends with a dot')
  bad('a..b@b.c', 'two dots in a row in the local part')
  bad('a b@b.c', 'character not allowed in local part')
  bad('a@b@c.d', 'character not allowed in local part')
  bad('<a@b.c', 'character not allowed in local part')
  bad(' a@b.c', 'character not allowed in local part')
  bad('a(x)@b.c', 'character not allowed in local part')
  bad('a@b.c ', 'character not allowed in domain')
  bad('a@b.c>', 'character not allowed in domain')
  bad('a@b_c.d', 'character not allowed in domain')
  bad('a@ex%61mple.com', 'character not allowed in domain')
  bad('a@mün%2e.com', 'character not allowed in domain')
  bad('a@mün/x.com', 'character not allowed in domain')
  bad('a@-b.c', 'label starts or ends with a hyphen')
  bad('a@b-.c', 'label starts or ends with a hyphen')
  bad('a@192.0.2.1', 'top-level domain is all digits')
  bad('a@１２７.0.0.1', 'top-level domain is all digits')
  bad('a@[192.0.2.1]', 'address literal instead of a domain')
  bad('a@[IPv6:::1]', 'address literal instead of a domain')
  bad('a@xn--a.example', 'not a valid internationalised domain')
  bad('a@\u200d.example', 'not a valid internationalised domain')
  bad(`${'a'.repeat(65)}@b.c`, 'local part longer than 64 octets')
  bad(`${'ä'.repeat(33)}@b.c`, 'local part longer than 64 octets', utf8)
  bad(`a@${'a'.repeat(64)}.c`, 'label longer than 63 octets')
  bad(`a@${'ü'.repeat(63)}.example`, 'label longer than 63 octets')
  bad(`a@${`${l63}.`.repeat(4)}c`, 'domain longer than 253 octets')
  bad(`${'a'.repeat(64)}@${`${l63}.`.repeat(2)}${l63}`, 'address longer than 254 octets')
  bad(`${'a'.repeat(2000)}@b.c`, 'address longer than 254 octets')
  bad('jörg@example.com', 'non-ASCII local part needs SMTPUTF8')
  bad('"john doe"@example.com', 'quoted local part')
  bad('"john@example.com', 'badly quoted local part', quoted)
  bad('"a"b"@example.com', 'badly quoted local part', quoted)
  bad('"a\\"@example.com', 'badly quoted local part', quoted)
})

describe('nothing that ends a line gets through', () => {
  for (const char of ['\r', '\n', '\r\n', '\0', '\t', '\x7f', '\x85', '\u2028', '\ud800']) {
    bad(`a${char}@b.c`, 'control character', { ...utf8, ...quoted })
    bad(`a@b.c${char}`, 'control character', { ...utf8, ...quoted })
    bad(`"a${char}"@b.c`, 'control character', { ...utf8, ...quoted })
    bad(`a@b.c${char}RCPT TO:<x@y.z>`, 'control character', { ...utf8, ...quoted })
  }
})

test('parseDomain folds case and answers with the rule that was broken', () => {
  expect(parseDomain('MÜNSTER.Example')).toEqual({ ok: true, domain: 'xn--mnster-3ya.example' })
  expect(parseDomain('')).toEqual({ ok: false, reason: 'empty domain' })
  expect(parseDomain('a\nb.c')).toEqual({ ok: false, reason: 'control character' })
})

describe('maskAddress', () => {
  test('keeps the domain and hides the local part', () => {
    const masked = maskAddress('jane@example.com')
    expect(masked).toMatch(/^#[0-9a-f]{8}@example\.com$/)
    expect(maskAddress('JANE@Example.com')).toBe(masked)
    expect(maskAddress('john@example.com')).not.toBe(masked)
  })
  test('lets nothing of a malformed address into a log', () => {
    expect(maskAddress('secret')).toMatch(/^#[0-9a-f]{8}$/)
    expect(maskAddress('a@secret\r\nfake line')).toMatch(/^#[0-9a-f]{8}$/)
  })
})
