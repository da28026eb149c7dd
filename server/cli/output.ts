/**
 * What commands print. Anything may hold words of a remote server or a client, so nothing reaches the terminal with
 * control characters in it: an escape sequence in an SMTP reply must not repaint the operator's screen.
 */
import type { AppError } from '../core/errors.ts'

// C0 and C1 controls, and the marks that reverse the direction of text.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

/** One line of text in which control characters are visible: ESC becomes `\x1b`. */
export const visible = (text: string): string =>
  text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0).toString(16)
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`
  })

export type Cell = string | number | boolean | undefined

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => Cell
}

/** Columns as wide as their content, two spaces apart; numbers to the right. An empty list has only its titles. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map(({ value }) => value(row)))
  const texts = cells.map((row) => row.map((cell) => visible(String(cell ?? '-'))))
  const titles = columns.map(({ title }) => title)
  const widths = titles.map((title, i) =>
    Math.max(title.length, ...texts.map((row) => row[i]!.length)),
  )
  const isNumeric = titles.map(
    (_, i) => cells.length > 0 && cells.every((row) => typeof row[i] === 'number'),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) =>
        isNumeric[i] === true ? text.padStart(widths[i]!) : text.padEnd(widths[i]!),
      )
      .join('  ')
      .trimEnd()
  return [titles, ...texts].map(line).join('\n')
}

/** `name   value` lines, for one thing instead of many. */
export function list(entries: readonly (readonly [string, Cell])[]): string {
  const width = Math.max(0, ...entries.map(([name]) => name.length))
  return entries
    .map(([name, value]) => `${name.padEnd(width)}  ${visible(String(value ?? '-'))}`)
    .join('\n')
}

export const json = (data: unknown): string => `${JSON.stringify(data, undefined, 2)}\n`

/** For the operator of this machine: the public sentence, the private detail, and every field that is wrong. */
export function errorText(error: AppError): string {
  const detail = error.detail === undefined ? '' : `\n  ${visible(error.detail)}`
  const fields = error.fields.map(({ path, message }) => `\n  ${visible(path)} ${visible(message)}`)
  return `${visible(error.public)}${detail}${fields.join('')}`
}

export const errorData = (error: AppError): unknown => ({
  error: {
    code: error.code,
    message: error.public,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    ...(error.fields.length === 0 ? {} : { fields: error.fields }),
  },
})
