import { describe, expect, test } from 'vitest'
import { composeMessage } from '../../../server/delivery/compose.ts'
import type { ComposeAttachment } from '../../../server/delivery/compose.ts'
import { BASE, FACTS, compose, file, image, one, refusal } from '../../support/compose.ts'
import { leaves, parameter, readMime } from '../../support/mime-tree.ts'

describe('attachments', () => {
  test('keep their octets, names and types', async () => {
    const content = Buffer.from(Array.from({ length: 700 }, (_, i) => i % 256))
    const names = [
      'bill.pdf',
      'Rechnung für März.pdf',
      '請求書 "1".pdf',
      `${'long '.repeat(30)}.pdf`,
      'a;b=c.pdf',
    ]
    const message = await compose({
      text: 'Hi',
      attachments: names.map((filename) => file({ filename, content })),
    })
    const files = message.children.slice(1)
    expect(files.map((part) => parameter(one(part, 'content-disposition')!, 'filename'))).toEqual(
      names,
    )
    for (const part of files) {
      expect(part.content.equals(content)).toBe(true)
      expect(one(part, 'content-disposition')).toMatch(/^attachment;/)
      expect(one(part, 'content-transfer-encoding')).toBe('base64')
    }
  })

  test('inline images carry the Content-ID that the html names', async () => {
    const message = await compose({
      html: 'x<img src="cid:logo@a">',
      attachments: [image('logo@a')],
    })
    const part = leaves(message).at(-1)!
    expect(one(part, 'content-id')).toBe('<logo@a>')
    expect(one(part, 'content-disposition')).toMatch(/^inline;/)
  })

  test('line ends in a name do not start a field', async () => {
    const message = await compose({
      text: 'Hi',
      attachments: [file({ filename: 'a\r\nBcc: e@e.test\r\n\r\n.pdf' })],
    })
    const part = message.children[1]!
    expect([...part.headers.keys()].sort()).toEqual([
      'content-disposition',
      'content-transfer-encoding',
      'content-type',
    ])
    expect(parameter(one(part, 'content-disposition')!, 'filename')).toBe('a Bcc: e@e.test .pdf')
  })

  test.each<[reason: string, more: Partial<ComposeAttachment>, path: string]>([
    [
      'type with a line end',
      { contentType: 'text/plain\r\nBcc: e@e.test' },
      'attachments/0/contentType',
    ],
    ['type without a slash', { contentType: 'pdf' }, 'attachments/0/contentType'],
    ['a multipart', { contentType: 'multipart/mixed; boundary=x' }, 'attachments/0/contentType'],
    ['Content-ID with a line end', { contentId: 'a\r\nB: c' }, 'attachments/0/contentId'],
    ['Content-ID with brackets', { contentId: '<a>' }, 'attachments/0/contentId'],
  ])('refuses %s', async (_reason, more, path) => {
    const error = await refusal({ text: 'Hi', attachments: [file(more)] })
    expect([error.code, error.fields[0]?.path]).toEqual(['ATTACHMENT_INVALID', path])
  })

  test('a type may have parameters', async () => {
    const contentType = 'text/calendar; method=REQUEST; charset="utf-8"'
    const message = await compose({ text: 'Hi', attachments: [file({ contentType })] })
    const sent = one(message.children[1]!, 'content-type')!
    expect([parameter(sent, 'method'), parameter(sent, 'charset')]).toEqual(['REQUEST', 'utf-8'])
  })

  test('10 MB', async () => {
    const content = Buffer.alloc(10_000_000, 'posthorn')
    const { raw } = await composeMessage(
      { ...BASE, text: 'Hi', attachments: [file({ content })] },
      FACTS,
    )
    expect(readMime(raw).children[1]!.content.equals(content)).toBe(true)
  })
})
