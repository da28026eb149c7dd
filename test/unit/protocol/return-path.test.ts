import { describe, expect, test } from 'vitest'
import {
  makeReturnPath,
  readReturnPath,
  RETURN_PATH_MAX_AGE_DAYS,
} from '../../../server/protocol/return-path.ts'

const key = Buffer.alloc(32, 7)
const keys = new Map([['a', key]])
const now = Date.UTC(2025, 5, 3, 10)
const day = 86_400_000
const address = makeReturnPath({
  delivery: 123_456_789_012_345,
  kind: 3,
  generation: 'a',
  key,
  domain: 'bounce.example.com',
  now,
})
const local = address.split('@')[0]!

describe('makeReturnPath', () => {
  test('gives a short local part of one case', () => {
    expect(address).toMatch(/^b\+[0-9a-z]{33}@bounce\.example\.com$/)
  })
  test('the same delivery has the same address all day', () => {
    const again = { delivery: 1, key, domain: 'b.example', now }
    expect(makeReturnPath(again)).toBe(makeReturnPath({ ...again, now: now + 1000 }))
    expect(makeReturnPath(again)).not.toBe(makeReturnPath({ ...again, now: now + day }))
  })
  test('kind and generation may be left out', () => {
    const first = makeReturnPath({ delivery: 1, key, domain: 'b.example', now })
    expect(readReturnPath(first.split('@')[0]!, new Map([['0', key]]), now)).toMatchObject({
      delivery: 1,
      kind: 0,
    })
  })
})

describe('readReturnPath', () => {
  const wanted = {
    ok: true,
    delivery: 123_456_789_012_345,
    kind: 3,
    issuedAt: Date.UTC(2025, 5, 3),
  }
  test('gives back what was put in, in any case', () => {
    expect(readReturnPath(local, keys, now)).toEqual(wanted)
    expect(readReturnPath(local.toUpperCase(), keys, now)).toEqual(wanted)
  })
  test('ages out', () => {
    const last = now + RETURN_PATH_MAX_AGE_DAYS * day
    expect(readReturnPath(local, keys, last)).toEqual(wanted)
    expect(readReturnPath(local, keys, last + day)).toEqual({ ok: false, reason: 'too-old' })
  })
  const bad = (text: string, reason: string, why: string, using = keys): void =>
    test(`${reason}: ${why}`, () => {
      expect(readReturnPath(text, using, now)).toEqual({ ok: false, reason })
    })
  bad('', 'not-ours', 'empty')
  bad('postmaster', 'not-ours', 'another mailbox')
  bad('b+', 'malformed', 'no token')
  bad(local.slice(0, -1), 'malformed', 'cut short')
  bad(`${local}0`, 'malformed', 'too long')
  bad(`${local.slice(0, -1)}u`, 'malformed', 'a letter outside the alphabet')
  bad(`${local.slice(0, 2)}b${local.slice(3)}`, 'unknown-key', 'a generation nobody has')
  bad(local, 'unknown-key', 'the key was retired', new Map())
  bad(local, 'forged', 'another key', new Map([['a', Buffer.alloc(32, 8)]]))
  for (let at = 3; at < local.length; at++) {
    const other = local[at] === '0' ? '1' : '0'
    bad(`${local.slice(0, at)}${other}${local.slice(at + 1)}`, 'forged', `char ${at} changed`)
  }
})
