/** Hostile input to composing: HTML that must cost linear time, header values that must stay in their field. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AppError } from '../../server/core/errors.ts'
import { composeMessage } from '../../server/delivery/compose.ts'
import { htmlToText } from '../../server/protocol/html-text.ts'
import { BASE, FACTS, box, file } from '../support/compose.ts'
import { formFaults, leaves, readMime, shape, textOf } from '../support/mime-tree.ts'

const markup = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...(
          '< > </ <! <!-- --> <? " \' = & &# &#x ; &amp; &lt; / <p> </p> <a href= <a href="x"> </a> <pre> </pre> ' +
          '<script> </script> <style </style <ul> <li> </ul> <ol> <table> <td> <tr> <br> <img alt=" <title> <hr> a b'
        ).split(' '),
        ' ',
        '\n',
        '\0',
        '\ud800',
        '\u00a0',
      ),
      fc.string({ maxLength: 5 }),
    ),
    { maxLength: 80 },
  )
  .map((pieces) => pieces.join(''))

describe('html to text', () => {
  test('never throws, leaves no control characters, ends lines properly', () => {
    fc.assert(
      fc.property(markup, (html) => {
        const text = htmlToText(html)
        expect(text).not.toMatch(/[\0-\x08\x0b-\x1f\x7f]|[ \t]\n|\n\n\n|^\n/)
        expect(text === '' || text.endsWith('\n')).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  test('text that is escaped comes back', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[!-~]{1,8}$/), { minLength: 1 }), (words) => {
        const text = words.join(' ')
        const html = text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
        expect(htmlToText(`<p>${html}</p>`)).toBe(`${text}\n`)
      }),
    )
  })

  // Half a megabyte each: a step too many per character would take minutes, linear work takes milliseconds.
  const SIZE = 500_000
  test.each([
    '<',
    '<a',
    '<a ',
    '<a href="',
    "<a href='",
    '<a =',
    '<a "',
    '</',
    '<!',
    '<!--',
    '<!-- --',
    '<?',
    '&',
    '&#',
    '&#x',
    '&a',
    '<p>',
    '</p>',
    '<ul><li>',
    '<ol>',
    '<a href="x">',
    '<a href=x>y',
    '<pre>',
    '<pre>\n',
    '<br>',
    '<td>',
    '<script>',
    '<script></script',
    '<style></style',
    '<title',
    ' ',
    '\n',
    '\t ',
    '&nbsp;',
    '\u00a0',
    '<img alt="',
    '<img alt=a>',
    '<b/',
    '<b x',
    '<b\n=',
    '"',
    '>',
    '-->',
    '\0',
    '\u00ad',
  ])('repeats of %j take linear time', (unit) => {
    const html = unit.repeat(SIZE / unit.length)
    const started = performance.now()
    htmlToText(html)
    htmlToText(`<p>${html}`)
    htmlToText(`<a href="${html}`)
    htmlToText(`<a href=x ${html}>`)
    expect(performance.now() - started).toBeLessThan(5000)
  })
})

describe('composing', () => {
  const hostile = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          '\r\n',
          '\r',
          '\n',
          '\0',
          ' ',
          '\t',
          '  ',
          ':',
          '"',
          '\\',
          '<',
          '>',
          ',',
          '=?',
          '?=',
          '=?utf-8?Q?',
          'é',
          '日',
          '🎉',
          '\ud800',
          '\u2028',
          'Bcc: e@e.test',
          'word',
          'x'.repeat(70),
        ),
        fc.string({ maxLength: 10 }),
      ),
      { maxLength: 25 },
    )
    .map((pieces) => pieces.join(''))

  test('no value leaves its field', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, hostile, hostile, async (subject, name, header) => {
        const input = {
          ...BASE,
          subject,
          from: box('a@a.test', name),
          to: [box('b@b.test', name)],
          text: 'Hi',
        }
        const plain = await composeMessage(input, FACTS)
        expect(formFaults(plain.raw)).toEqual([])
        const message = readMime(plain.raw)
        expect([...message.headers.keys()]).toEqual([
          'from',
          'to',
          'subject',
          'date',
          'message-id',
          'mime-version',
          'content-type',
          'content-transfer-encoding',
        ])
        const withHeader = await composeMessage(
          { ...input, headers: { 'X-A': header } },
          FACTS,
        ).catch((error: unknown) => error)
        if (withHeader instanceof AppError) expect(withHeader.code).toBe('HEADER_INVALID')
        else if (withHeader instanceof Error) throw withHeader
      }),
      { numRuns: 500 },
    )
  })

  test('header names and values are sent whole or refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(hostile, fc.string({ maxLength: 8 })),
        hostile,
        async (name, value) => {
          const result = await composeMessage(
            { ...BASE, headers: { [name]: value }, text: 'Hi' },
            FACTS,
          ).catch((error: unknown) => error)
          if (result instanceof AppError) return
          if (result instanceof Error) throw result
          const { raw } = result as { raw: Buffer }
          expect(formFaults(raw)).toEqual([])
          expect(readMime(raw).headers.size).toBe(9)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('any text and file name survive, with files and without', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, hostile, async (text, filename) => {
        const expected = Buffer.from(text.replace(/\r\n?/g, '\n').replace(/\n+$/, '')).toString()
        const plain = await composeMessage({ ...BASE, text }, FACTS)
        const mixed = await composeMessage(
          { ...BASE, text, attachments: [file({ filename })] },
          FACTS,
        )
        for (const { raw } of [plain, mixed]) {
          expect(formFaults(raw)).toEqual([])
          expect(textOf(leaves(readMime(raw))[0])).toBe(expected)
        }
        expect(shape(readMime(mixed.raw))).toBe('multipart/mixed(text/plain,application/pdf)')
      }),
      { numRuns: 200 },
    )
  })
})
