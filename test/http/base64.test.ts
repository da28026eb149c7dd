import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeBase64 } from '../../server/http/base64.ts'

test('whatever was encoded comes back, with or without padding and line breaks', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64')
      const folded = text.replace(/.{76}/g, '$&\r\n')
      for (const form of [text, folded, text.replace(/=+$/, '')])
        expect(decodeBase64(form)).toEqual(Buffer.from(bytes))
    }),
  )
})

test.each([
  ['A', 'one letter is no byte'],
  ['QUJDR', 'five letters'],
  ['QQ=', 'half the padding'],
  ['QQ===', 'too much padding'],
  ['Q=Q=', 'padding inside'],
  ['QQ==QQ==', 'two values'],
  ['QU D', 'a space'],
  ['QUI\u00e4', 'a letter of Latin-1'],
  ['QUI€', 'a letter beyond'],
  ['%%%%', 'punctuation'],
  ['QUJD\rQUJD', 'a lone CR'],
])('%j is refused: %s', (text) => {
  expect(decodeBase64(text)).toBeUndefined()
})
