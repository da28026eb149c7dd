import { describe, expect, test } from 'vitest'
import { formatMailbox, parseMailboxes } from '../../../server/protocol/mailbox.ts'
import { parseAddress } from '../../../server/core/address.ts'

const good = (text: string, ...want: readonly (readonly [string, string])[]): void =>
  test(text, () => {
    const list = parseMailboxes(text)
    expect(list.ok ? list.mailboxes.map((one) => [one.name, one.address]) : list).toEqual(want)
  })
const bad = (text: string, reason: string): void =>
  test(`${reason}: ${text.slice(0, 60)}`, () => {
    expect(parseMailboxes(text)).toEqual({ ok: false, reason })
  })

describe('parseMailboxes reads', () => {
  good('a@b.c', ['', 'a@b.c'])
  good('  <a@b.c> ', ['', 'a@b.c'])
  good('Jane Doe <jane@b.c>', ['Jane Doe', 'jane@b.c'])
  good('"Doe, Jane" <jane@b.c>, bob@b.c', ['Doe, Jane', 'jane@b.c'], ['', 'bob@b.c'])
  good('"a \\"b\\" \\\\c" <a@b.c>', ['a "b" \\c', 'a@b.c'])
  good('John Q. Public <j@b.c>', ['John Q. Public', 'j@b.c'])
  good('a@b.c (Jane (the) Doe)', ['Jane (the) Doe', 'a@b.c'])
  good('Jane (x \\) y) <a@b.c>', ['Jane', 'a@b.c'])
  good('=?utf-8?Q?J=C3=B6rg?= <j@b.c>', ['Jörg', 'j@b.c'])
  good('=?utf-8?B?w7w=?= =?utf-8?B?w7w=?= x <j@b.c>', ['üü x', 'j@b.c'])
  good('"=?utf-8?Q?J=C3=B6rg?=" <j@b.c>', ['Jörg', 'j@b.c'])
  good('Jörg <j@b.c>', ['Jörg', 'j@b.c'])
  good('undisclosed-recipients:;')
  good('Friends: a@b.c, Bob <b@b.c>; , c@b.c', ['', 'a@b.c'], ['Bob', 'b@b.c'], ['', 'c@b.c'])
  good('a@b.c,, b@b.c,', ['', 'a@b.c'], ['', 'b@b.c'])
  good('a@x.y <b@b.c>', ['a@x.y', 'b@b.c'])
  good('"a@x.y, <c@d.e>" <b@b.c>', ['a@x.y, <c@d.e>', 'b@b.c'])
  good('[Team] Ops <o@b.c>', ['[Team] Ops', 'o@b.c'])
  good('', ...[])
})

describe('parseMailboxes refuses', () => {
  bad('Jane Doe', 'no @')
  bad('"Jane"', 'no @')
  bad('<>', 'empty address')
  bad('Jane <>', 'empty address')
  bad('john smith@b.c', 'character not allowed in local part')
  bad('a@b.c d@e.f', 'character not allowed in local part')
  bad('<a@b.c> <d@e.f>', 'two addresses in one mailbox')
  bad('<a@b.c> d', 'text after the address')
  bad('<a@b.c> "d"', 'text after the address')
  bad('<a@b.c', 'angle bracket without an end')
  bad('a@b.c>', 'unexpected >')
  bad(') a@b.c', 'unexpected )')
  bad('"a <a@b.c>', 'quote without an end')
  bad('(a <a@b.c>', 'comment without an end')
  bad(`${'('.repeat(5000)}${')'.repeat(5000)}a@b.c`, 'comment without an end')
  bad('x: a@b.c', 'group without an end')
  bad('x: y: a@b.c;;', 'unexpected colon')
  bad('a@b.c;', 'unexpected semicolon')
  bad('a\\b@b.c', 'unexpected \\')
  bad('<@relay.example:a@b.c>', 'character not allowed in local part')
  bad('a@[127.0.0.1]', 'address literal instead of a domain')
})

describe('formatMailbox', () => {
  const format = (name: string): string => {
    const parsed = parseAddress('a@b.c')
    if (!parsed.ok) throw new Error(parsed.reason)
    return formatMailbox({ name, address: parsed.address })
  }
  const gives = (name: string, want: string, why: string): void =>
    test(why, () => {
      expect(format(name)).toBe(want)
    })
  gives('', 'a@b.c', 'no name, no brackets')
  gives('Jane Doe', 'Jane Doe <a@b.c>', 'atoms')
  gives('Doe, Jane', '"Doe, Jane" <a@b.c>', 'specials are quoted')
  gives('a "b" \\', '"a \\"b\\" \\\\" <a@b.c>', 'quotes and backslashes are escaped')
  gives('Jörg Müller', '=?utf-8?Q?J=C3=B6rg_M=C3=BCller?= <a@b.c>', 'beyond ASCII')
  gives('=?x?=', '=?utf-8?B?PT94Pz0=?= <a@b.c>', 'what looks encoded is encoded')
  gives('a\r\nBcc: x@y.z', '"a  Bcc: x@y.z" <a@b.c>', 'no line end gets into the header')
})
