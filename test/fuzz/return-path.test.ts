import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseAddress } from '../../server/core/address.ts'
import { makeReturnPath, readReturnPath } from '../../server/protocol/return-path.ts'

const now = Date.UTC(2030, 0, 1)
const request = fc.record({
  delivery: fc.maxSafeNat(),
  kind: fc.nat(255),
  generation: fc.constantFrom(...Array.from('0123456789abcdefghjkmnpqrstvwxyz')),
  key: fc.uint8Array({ minLength: 16, maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  domain: fc.constant('bounce.example.com'),
  now: fc.integer({ min: now - 80 * 86_400_000, max: now }),
})

test('round trip, through a system that folds case', () => {
  fc.assert(
    fc.property(request, fc.boolean(), (one, upper) => {
      const parsed = parseAddress(makeReturnPath(one))
      if (!parsed.ok) throw new Error(parsed.reason)
      const local = upper ? parsed.local.toUpperCase() : parsed.local
      expect(readReturnPath(local, new Map([[one.generation, one.key]]), now)).toEqual({
        ok: true,
        delivery: one.delivery,
        kind: one.kind,
        issuedAt: Math.floor(one.now / 86_400_000) * 86_400_000,
      })
    }),
  )
})

test('any other text is refused and never throws', () => {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz+AB\r\nü'
  const token = fc.string({
    unit: fc.constantFrom(...Array.from(alphabet)),
    minLength: 30,
    maxLength: 36,
  })
  fc.assert(
    fc.property(
      request,
      fc.oneof(
        token.map((t) => `b+${t}`),
        fc.string(),
      ),
      (one, text) => {
        const keys = new Map([[one.generation, one.key]])
        expect(readReturnPath(text, keys, now).ok).toBe(false)
      },
    ),
    { numRuns: 2000 },
  )
})
