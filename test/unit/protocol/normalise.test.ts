import { describe, expect, test } from 'vitest'
import { inspectMessage } from '../../../server/protocol/inspect.ts'
import { normaliseMessage, type NormaliseFacts } from '../../../server/protocol/normalise.ts'

const facts: NormaliseFacts = {
  now: Date.UTC(2025, 5, 3, 10),
  messageIdDomain: 'mx.example.com',
  newMessageId: () => 'new',
}
const normalise = (text: string, more: Partial<NormaliseFacts> = {}): string => {
  const inspection = inspectMessage(Buffer.from(text))
  if (!inspection.ok) throw new Error(inspection.text)
  return normaliseMessage(inspection, { ...facts, ...more }).raw.toString()
}
const HEAD = 'Message-ID: <a@b.c>\r\nDate: Tue, 03 Jun 2025 10:00:00 +0000\r\nFrom: a@b.c\r\n'
const gives = (text: string, want: string, why: string): void =>
  test(why, () => {
    expect(normalise(text)).toBe(want)
    expect(normalise(want), 'a second time changes nothing').toBe(want)
  })

describe('normaliseMessage', () => {
  gives(`${HEAD}\r\nHi\r\n`, `${HEAD}\r\nHi\r\n`, 'leaves a complete message alone')
  gives(
    'From: a@b.c\r\n\r\nHi\r\n',
    'Message-ID: <new@mx.example.com>\r\nDate: Tue, 03 Jun 2025 10:00:00 +0000\r\nFrom: a@b.c\r\n\r\nHi\r\n',
    'adds Message-ID and Date',
  )
  gives(
    `Bcc: x@y.z\r\nReturn-Path: <q@y.z>\r\n${HEAD}BCC:\r\n x@y.z,\r\n w@y.z\r\nX-Posthorn-Tag: t\r\nTo: t@u.v\r\nx-posthorn-stream: bulk\r\n\r\nBcc: in the body\r\n`,
    `${HEAD}To: t@u.v\r\n\r\nBcc: in the body\r\n`,
    'drops blind copies, return path and control fields, folded ones whole',
  )
  gives(
    'Message-ID: nonsense\r\nDate: Tue, 03 Jun 2025 10:00:00 +0000\r\nFrom: a@b.c\r\n\r\n',
    'Message-ID: <new@mx.example.com>\r\nDate: Tue, 03 Jun 2025 10:00:00 +0000\r\nFrom: a@b.c\r\n\r\n',
    'replaces an unusable Message-ID',
  )
  gives(
    `${HEAD}Content-Type: text/html\r\n\r\nHi\r\n`,
    `MIME-Version: 1.0\r\n${HEAD}Content-Type: text/html\r\n\r\nHi\r\n`,
    'adds MIME-Version to a message with a Content-Type',
  )
  gives(`${HEAD}\r\nHi`, `${HEAD}\r\nHi\r\n`, 'ends the last line')
  gives(HEAD, `${HEAD}\r\n`, 'ends a header without a body')
  gives(HEAD.trimEnd(), `${HEAD}\r\n`, 'ends a header without a line end')
  gives(`${HEAD}Bcc: x@y.z`, `${HEAD}\r\n`, 'ends a header whose last field is dropped')
  gives(`${HEAD}\r\n`, `${HEAD}\r\n`, 'leaves an empty body empty')

  test('puts the trace field on top', () => {
    const receivedLine = 'Received: from x by y;\r\n\tTue, 03 Jun 2025 10:00:00 +0000\r\n'
    expect(normalise(`${HEAD}\r\nHi\r\n`, { receivedLine })).toBe(
      `${receivedLine}${HEAD}\r\nHi\r\n`,
    )
  })
  test.each([
    ['Received: from x', 'no line end'],
    ['Received: from x\r\nBcc: y\r\n', 'two fields'],
    ['Received: from x\r\n\r\n', 'an empty line'],
    ['Received: from \n x\r\n', 'a bare LF'],
    ['from x\r\n', 'no name'],
  ])('refuses the trace field %j: %s', (receivedLine) => {
    expect(() => normalise(HEAD, { receivedLine })).toThrow()
  })
  test('keeps the body byte for byte', () => {
    const body = Buffer.from(Array.from({ length: 256 }, (_, n) => n)).filter(
      (byte) => byte !== 0 && byte !== 10 && byte !== 13,
    )
    const inspection = inspectMessage(
      Buffer.concat([Buffer.from('From: a@b.c\r\n\r\n'), body, Buffer.from('\r\n')]),
    )
    if (!inspection.ok) throw new Error(inspection.text)
    const { raw, messageId } = normaliseMessage(inspection, facts)
    expect(raw.subarray(raw.length - body.length - 2, -2).equals(body)).toBe(true)
    expect(messageId).toBe('new@mx.example.com')
  })
  test('the result owns its memory', () => {
    const inspection = inspectMessage(Buffer.from(`${HEAD}\r\nHi\r\n`))
    if (!inspection.ok) throw new Error(inspection.text)
    const { raw } = normaliseMessage(inspection, facts)
    expect(raw.buffer.byteLength).toBe(raw.length)
  })
})
