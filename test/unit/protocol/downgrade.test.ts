import { isAscii } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import { downgradeMessage } from '../../../server/protocol/downgrade.ts'

const lines = (...list: readonly string[]): string => list.join('\r\n')
const gives = (text: string | Buffer, want: string, why: string): void =>
  test(why, () => {
    const result = downgradeMessage(Buffer.from(text))
    expect(result.raw.toString()).toBe(want)
    expect(result.untouched).toEqual([])
    expect(downgradeMessage(result.raw).changed, 'a second time changes nothing').toBe(false)
  })
const leaves = (text: string, untouched: readonly string[], why: string): void =>
  test(why, () => {
    const result = downgradeMessage(Buffer.from(text))
    expect(result).toMatchObject({ changed: false, untouched })
    expect(result.raw.toString()).toBe(text)
  })
const MIME = 'MIME-Version: 1.0\r\n'

describe('what is fine keeps its bytes', () => {
  leaves('From: a@b.c\r\n\r\nHi\r\n', [], 'ASCII')
  leaves(
    `${MIME}Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\nHi\r\n`,
    [],
    '8bit label on ASCII',
  )
})

describe('leaves', () => {
  gives(
    'From: a@b.c\r\n\r\nIch grüße dich\r\n',
    `From: a@b.c\r\n${MIME}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nIch gr=C3=BC=C3=9Fe dich\r\n`,
    'no MIME at all, UTF-8',
  )
  gives(
    Buffer.from('From: a@b.c\r\n\r\nIch grüße dich\r\n', 'latin1'),
    `From: a@b.c\r\n${MIME}Content-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nIch gr=FC=DFe dich\r\n`,
    'no MIME at all, not UTF-8',
  )
  gives(
    `${MIME}Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\nX: y\r\n\r\nIch grüße dich\r\n`,
    `${MIME}Content-Type: text/html; charset=iso-8859-1\r\nX: y\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nIch gr=C3=BC=C3=9Fe dich\r\n`,
    'the declared charset stays',
  )
  gives(
    `${MIME}Content-Type: text/plain; charset=utf-8\r\n\r\nПривет\r\n`,
    `${MIME}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n0J/RgNC40LLQtdGCDQo=\r\n`,
    'mostly 8-bit text becomes base64',
  )
  gives(
    `${MIME}Content-Type: application/pdf\r\nContent-Transfer-Encoding: binary\r\n\r\nabcdefgé\r\n`,
    `${MIME}Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJjZGVmZ8OpDQo=\r\n`,
    'what is not text becomes base64',
  )
  gives(
    `${MIME}Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3Dé\r\n`,
    `${MIME}Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=3D=C3=A9\r\n`,
    '8-bit inside quoted-printable',
  )
  gives(
    `From: a@b.c\r\n\r\n${'x'.repeat(1000)}\r\n`,
    `From: a@b.c\r\n${MIME}Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${`${'x'.repeat(75)}=\r\n`.repeat(13)}${'x'.repeat(25)}\r\n`,
    'long lines',
  )
  test('long base64 lines are rewrapped', () => {
    const data = 'QUFB'.repeat(400)
    const { raw, untouched } = downgradeMessage(
      Buffer.from(
        `${MIME}Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n${data}\r\n`,
      ),
    )
    const body = raw.toString().split('\r\n\r\n')[1]!
    expect(untouched).toEqual([])
    expect(body.replaceAll('\r\n', '')).toBe(data)
    expect(body.indexOf('\r\n')).toBe(76)
  })
  leaves(
    `${MIME}Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\né\r\n`,
    ['encoding x-uuencode'],
    'an encoding we do not know',
  )
})

describe('multipart', () => {
  gives(
    lines(
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary="b"',
      'Content-Transfer-Encoding: 8bit',
      '',
      'preamble',
      '--b',
      'Content-Type: text/plain; charset=utf-8',
      '',
      'Ich grüße dich',
      '--b',
      '',
      'ASCII, --b inside, and',
      '--bother is no delimiter',
      '--b  ',
      'Content-Type: image/png',
      'Content-Disposition: attachment; filename="é.png"',
      '',
      'é',
      '--b--',
      'épilogue',
      '',
    ),
    lines(
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary="b"',
      '',
      'preamble',
      '--b',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      'Ich gr=C3=BC=C3=9Fe dich',
      '--b',
      '',
      'ASCII, --b inside, and',
      '--bother is no delimiter',
      '--b  ',
      'Content-Type: image/png',
      "Content-Disposition: attachment; filename*=utf-8''%C3%A9.png",
      'Content-Transfer-Encoding: base64',
      '',
      'w6k=',
      '--b--',
      '',
    ),
    'each part on its own; an 8-bit epilogue goes',
  )
  gives(
    lines(
      'Content-Type: multipart/mixed; boundary=o',
      '',
      '--o',
      'Content-Type: message/rfc822',
      'Content-Transfer-Encoding: 8bit',
      '',
      'Subject: inner',
      '',
      'Ich grüße dich',
      '--o--',
      '',
    ),
    lines(
      'Content-Type: multipart/mixed; boundary=o',
      '',
      '--o',
      'Content-Type: message/rfc822',
      '',
      'Subject: inner',
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      'Ich gr=C3=BC=C3=9Fe dich',
      '--o--',
      '',
    ),
    'a message inside a message',
  )
  gives(
    lines(
      'Content-Type: multipart/digest; boundary=o',
      '',
      '--o',
      '',
      'Subject: ü',
      '',
      'x',
      '--o--',
      '',
    ),
    lines(
      'Content-Type: multipart/digest; boundary=o',
      '',
      '--o',
      '',
      'Subject: =?utf-8?B?w7w=?=',
      '',
      'x',
      '--o--',
      '',
    ),
    'parts of a digest are messages',
  )
  gives(
    lines('Content-Type: multipart/mixed; boundary=o', '', '--o', '--o', '', 'üabcdefghi'),
    lines(
      'Content-Type: multipart/mixed; boundary=o',
      '',
      '--o',
      '--o',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      '=C3=BCabcdefghi',
      '',
    ),
    'an empty part, and no closing delimiter',
  )

  const signed = lines(
    'Content-Type: multipart/signed; boundary=s',
    'Content-Transfer-Encoding: 8bit',
    '',
    '--s',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'grüße',
    '--s--',
    '',
  )
  leaves(`${MIME}${signed}`, ['multipart/signed'], 'what is signed stays')
  test('only what is signed stays; its siblings and the outer header do not', () => {
    const { raw, untouched } = downgradeMessage(
      Buffer.from(
        lines(
          'Subject: ü',
          'Content-Type: multipart/mixed; boundary=o',
          'Content-Transfer-Encoding: 8bit',
          '',
          '--o',
          signed,
          '--o',
          '',
          'Ich grüße dich',
          '--o--',
          '',
        ),
      ),
    )
    expect(untouched).toEqual(['multipart/signed'])
    expect(raw.toString()).toContain(signed)
    expect(raw.toString()).toContain('Ich gr=C3=BC=C3=9Fe dich')
    expect(raw.toString()).toContain('Subject: =?utf-8?B?w7w=?=\r\n')
    expect(raw.toString(), 'the container still holds 8-bit').toContain('Encoding: 8bit')
  })
  leaves(
    'Content-Type: multipart/mixed\r\n\r\né\r\n',
    ['multipart without a usable boundary'],
    'no boundary',
  )
  leaves(
    'Content-Type: multipart/mixed; boundary=b\r\n\r\né\r\n',
    ['multipart without parts'],
    'no delimiter',
  )
  leaves(
    'Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n--b\r\n\r\né\r\n',
    ['multipart/mixed in base64'],
    'an encoded container',
  )
})

describe('header fields', () => {
  const field = (from: string, to: string): void =>
    gives(`${from}\r\n\r\nHi\r\n`, `${to}\r\n\r\nHi\r\n`, from)
  field('Subject: Viele schöne Grüße', 'Subject: =?utf-8?Q?Viele_sch=C3=B6ne_Gr=C3=BC=C3=9Fe?=')
  field('Subject: =?utf-8?Q?a?= ü', 'Subject: =?utf-8?Q?a_=C3=BC?=')
  field('From: Jörg <j@b.c>', 'From: =?utf-8?Q?J=C3=B6rg?= <j@b.c>')
  field('To: "Doe, J" <j@b.c>, é <e@b.c>', 'To: "Doe, J" <j@b.c>, =?utf-8?B?w6k=?= <e@b.c>')
  field('Cc: j@münchen.example', 'Cc: j@xn--mnchen-3ya.example')
  field('References: <ü@b.c>', 'References: <?@b.c>')
  field('List-Unsubscribe: <https://b.c/ü>', 'List-Unsubscribe: <https://b.c/%C3%BC>')
  field('Content-Type: text/plain; name="ü"', "Content-Type: text/plain; name*=utf-8''%C3%BC")
  leaves('To: jörg@b.c\r\n\r\nHi\r\n', ['field to'], 'a UTF-8 address has no ASCII form')

  test('lines over 998 octets are folded', () => {
    const list = Array.from({ length: 100 }, (_, n) => `user${n}@example.com`)
    const { raw, untouched } = downgradeMessage(Buffer.from(`To: ${list.join(',')}\r\n\r\nHi\r\n`))
    expect(untouched).toEqual([])
    expect(
      Math.max(
        ...raw
          .toString()
          .split('\r\n')
          .map((line) => line.length),
      ),
    ).toBeLessThan(79)
    expect(raw.toString().replace(/\r\n /g, ' ')).toBe(`To: ${list.join(', ')}\r\n\r\nHi\r\n`)
  })
})

describe('hostile nesting is bounded', () => {
  test('depth', () => {
    let text = 'Subject: x\r\n\r\né\r\n'
    for (let n = 0; n < 60; n++) text = `Content-Type: message/rfc822\r\n\r\n${text}`
    const { raw, untouched } = downgradeMessage(Buffer.from(text))
    expect(untouched).toEqual(['too many or too deeply nested parts'])
    expect(isAscii(raw)).toBe(false)
  })
  test('parts', () => {
    const text = `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\né\r\n'.repeat(1500)}--b--\r\n`
    const { untouched } = downgradeMessage(Buffer.from(text))
    expect(new Set(untouched)).toEqual(new Set(['too many or too deeply nested parts']))
  })
})
