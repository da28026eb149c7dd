import { describe, expect, test } from 'vitest'
import { rewriteCopy, type CopyChanges } from '../../../server/protocol/rewrite.ts'

const gives = (text: string, changes: CopyChanges, want: string, why: string): void =>
  test(why, () => {
    const raw = Buffer.from(text)
    expect(Buffer.concat(rewriteCopy(raw, changes)).toString()).toBe(want)
    expect(raw.toString(), 'the kept bytes stay as they are').toBe(text)
  })
const id = { messageId: 'new@x.y' }
const NEW = 'Message-ID: <new@x.y>\r\n'

describe('rewriteCopy', () => {
  gives('A: b\r\n\r\nHi\r\n', {}, 'A: b\r\n\r\nHi\r\n', 'nothing to do')
  gives(
    'A: b\r\n\r\nHi\r\n',
    { prepend: 'C: d\r\n' },
    'C: d\r\nA: b\r\n\r\nHi\r\n',
    'fields on top',
  )
  gives(`Message-ID: <o@x.y>\r\nA: b\r\n\r\nHi`, id, `${NEW}A: b\r\n\r\nHi`, 'first field')
  gives(`A: b\r\nMessage-ID: <o@x.y>\r\n\r\nHi`, id, `A: b\r\n${NEW}\r\nHi`, 'last field')
  gives('A: b\r\nmessage-id:<o@x.y>\r\nC: d\r\n\r\n', id, `A: b\r\n${NEW}C: d\r\n\r\n`, 'any case')
  gives('MESSAGE-ID:<o@x.y>\r\nC: d\r\n\r\n', id, `${NEW}C: d\r\n\r\n`, 'any case, first')
  gives('Message-ID:\r\n <o@x.y>\r\n\t\r\nC: d\r\n\r\n', id, `${NEW}C: d\r\n\r\n`, 'folded')
  gives('A: b\r\n\r\nMessage-ID: <x@y>\r\n', id, `${NEW}A: b\r\n\r\nMessage-ID: <x@y>\r\n`, 'body')
  gives(
    'X-Message-ID: x\r\nA: b\r\n\r\n',
    id,
    `${NEW}X-Message-ID: x\r\nA: b\r\n\r\n`,
    'other name',
  )
  gives(
    'A: ü\r\nMessage-ID: <o@x.y>\r\n\r\nü\r\n',
    { ...id, prepend: 'C: é\r\n' },
    `C: é\r\nA: ü\r\n${NEW}\r\nü\r\n`,
    '8-bit bytes pass through',
  )

  test('the body is not copied', () => {
    const raw = Buffer.from('A: b\r\n\r\nHi\r\n')
    expect(rewriteCopy(raw, id).at(-1)!.buffer).toBe(raw.buffer)
  })
  test.each<[CopyChanges, string]>([
    [{ prepend: 'A: b' }, 'no line end'],
    [{ prepend: 'A: b\r\n\r\n' }, 'an empty line would end the header'],
    [{ prepend: '\r\n' }, 'an empty line alone'],
    [{ messageId: 'a@b\r\nBcc: c' }, 'a line end in the Message-ID'],
    [{ messageId: 'a>b@c' }, 'a bracket in the Message-ID'],
    [{ messageId: '' }, 'no Message-ID'],
  ])('refuses %j: %s', (changes) => {
    expect(() => rewriteCopy(Buffer.from('A: b\r\n\r\n'), changes)).toThrow()
  })
})
