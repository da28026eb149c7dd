import { describe, expect, test } from 'vitest'
import { composedContent } from '../../../server/delivery/compose.ts'
import type { ComposeInput } from '../../../server/delivery/compose.ts'
import { textContent } from '../../../server/protocol/mime.ts'
import { compose, file, image, one, refusal } from '../../support/compose.ts'
import { leaves, readMime, shape, textOf } from '../../support/mime-tree.ts'
import type { MimePart } from '../../support/mime-tree.ts'

describe('structure', () => {
  const ALTERNATIVE = 'multipart/alternative(text/plain,text/html)'
  test.each<[reason: string, input: Partial<ComposeInput>, expected: string]>([
    ['text only', { text: 'Hi' }, 'text/plain'],
    ['empty text', { text: '' }, 'text/plain'],
    ['html only: text is made of it', { html: '<p>Hi</p>' }, ALTERNATIVE],
    ['html with an empty text', { text: '', html: '<p>Hi</p>' }, ALTERNATIVE],
    ['html without any words', { html: '<img src="x">' }, 'text/html'],
    ['both', { text: 'Hi', html: '<p>Hi</p>' }, ALTERNATIVE],
    [
      'text and a file',
      { text: 'Hi', attachments: [file()] },
      'multipart/mixed(text/plain,application/pdf)',
    ],
    [
      'empty text and a file',
      { text: '', attachments: [file()] },
      'multipart/mixed(text/plain,application/pdf)',
    ],
    [
      'both and two files',
      { text: 'Hi', html: '<p>Hi</p>', attachments: [file(), file({ contentType: 'text/csv' })] },
      `multipart/mixed(${ALTERNATIVE},application/pdf,text/csv)`,
    ],
    [
      'html with an image in it',
      { html: '<p>Hi<img src="cid:logo">', attachments: [image('logo')] },
      'multipart/alternative(text/plain,multipart/related(text/html,image/png))',
    ],
    [
      'mixed > alternative > related',
      {
        text: 'Hi',
        html: '<img src="cid:a"><img src="cid:b">',
        attachments: [file(), image('a'), image('b')],
      },
      'multipart/mixed(multipart/alternative(text/plain,multipart/related(text/html,image/png,image/png)),application/pdf)',
    ],
    [
      'wordless html with an image',
      { html: '<img src="cid:a">', attachments: [image('a')] },
      'multipart/related(text/html,image/png)',
    ],
    [
      'an attached file that has a Content-ID stays attached',
      { text: 'Hi', html: '<p>Hi</p>', attachments: [file({ contentId: 'x' })] },
      `multipart/mixed(${ALTERNATIVE},application/pdf)`,
    ],
    [
      'an inline image has nothing to relate to without html',
      { text: 'Hi', attachments: [image('a')] },
      'multipart/mixed(text/plain,image/png)',
    ],
    [
      'a 7-bit message as attachment',
      {
        text: 'Hi',
        attachments: [file({ contentType: 'message/rfc822', content: Buffer.from('A: b\n\nc') })],
      },
      'multipart/mixed(text/plain,message/rfc822)',
    ],
    [
      'a message with 8-bit octets cannot be encoded, so it is a file',
      {
        text: 'Hi',
        attachments: [
          file({ contentType: 'message/rfc822', content: Buffer.from('A: b\r\n\r\nü') }),
        ],
      },
      'multipart/mixed(text/plain,application/octet-stream)',
    ],
  ])('%s', async (_reason, input, expected) => {
    expect(shape(await compose(input))).toBe(expected)
  })
})

describe('text comes out as it went in', () => {
  test.each<[reason: string, text: string, encoding: string]>([
    ['plain lines', 'Hello\nBob\n', '7bit'],
    ['CRLF', 'Hello\r\nBob', '7bit'],
    ['lone CR', 'Hello\rBob', '7bit'],
    ['lines of 998', `${'x'.repeat(998)}\nend`, '7bit'],
    ['a line of 999', `${'x'.repeat(999)}\nend`, 'quoted-printable'],
    ['some accents', 'Grüße aus München, bis zum nächsten Mal', 'quoted-printable'],
    ['another script', 'Привет, как дела? 你好', 'base64'],
    ['emoji', 'ok 👍🏽 and a good deal of plain text behind it', 'quoted-printable'],
    ['white space at line ends', 'a \nü\t\nb', 'quoted-printable'],
    ['NUL', 'a\0b', 'quoted-printable'],
    ['a dot on its own', 'a\n.\n..b', '7bit'],
    ['equals signs beyond ASCII', 'ü=3D=', 'quoted-printable'],
    ['a lone surrogate becomes U+FFFD', 'a\ud800b and some more text', 'quoted-printable'],
  ])('%s', async (_reason, text, encoding) => {
    const part = await compose({ text })
    expect(one(part, 'content-transfer-encoding')).toBe(encoding)
    expect(one(part, 'content-type')).toBe('text/plain; charset=utf-8')
    expect(textOf(part)).toBe(
      text.replace('\ud800', '\ufffd').replace(/\r\n?/g, '\n').replace(/\n+$/, ''),
    )
  })

  test('a part that contains the boundary gets another boundary', async () => {
    const text = '--=_01jxt4kq8bmtatest--\n--=_01jxt4kq8bmtatest'
    const message = await compose({ text, html: '<p>Hi</p>' })
    expect(leaves(message).map((part) => part.type)).toEqual(['text/plain', 'text/html'])
    expect(textOf(leaves(message)[0])).toBe(text)
  })

  test('text made of the html reads like it', async () => {
    const message = await compose({
      html: '<h1>Hi</h1><p>See <a href="https://a.test/x">this</a></p>',
    })
    expect(textOf(leaves(message)[0])).toBe('Hi\n\nSee this (https://a.test/x)')
  })
})

describe('the writer of plain mail and the general composer agree', () => {
  const TEXTS = [
    'Hi',
    'a\r\nb\n\nc',
    'Grüße\n',
    'Привет мир',
    'x'.repeat(2000),
    'a \n\tb',
    '.\nFrom x',
  ]
  const HTMLS = [undefined, '<p>Hi</p>', '<p>Grüße</p>\n', `<p>${'wörd '.repeat(500)}</p>`]
  const cases = TEXTS.flatMap((text) => HTMLS.map((html) => ({ text, html })))
  test.each(cases)('%#', async (parts) => {
    const ours = readMime(Buffer.from(textContent(parts, 'seed')))
    const theirs = readMime(await composedContent(parts, []))
    expect(shape(ours)).toBe(shape(theirs))
    expect(leaves(ours).map(textOf)).toEqual(leaves(theirs).map(textOf))
    const types = (part: MimePart): (string | undefined)[] =>
      leaves(part).map((leaf) => one(leaf, 'content-type'))
    expect(types(ours)).toEqual(types(theirs))
  })
})

test('neither text nor html is refused', async () => {
  expect((await refusal({})).code).toBe('MESSAGE_EMPTY')
  expect((await refusal({ html: '' })).code).toBe('MESSAGE_EMPTY')
})
