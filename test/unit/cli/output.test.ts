import { describe, expect, test } from 'vitest'
import { list, table, visible } from '../../../server/cli/output.ts'

test.each([
  ['550 no', '550 no', 'plain text stays'],
  ['\u001b[2J550', '\\x1b[2J550', 'an escape sequence must not clear the screen'],
  ['a\r\nb', 'a\\x0d\\x0ab', 'one cell is one line'],
  ['a\u009bb', 'a\\x9bb', 'the 8-bit form of an escape sequence'],
  ['a\u202eb', 'a\\u202eb', 'text must not run backwards'],
  ['größe ✓', 'größe ✓', 'other languages stay'],
])('%j is shown as %j: %s', (text, shown, _why) => {
  expect(visible(text)).toBe(shown)
})

describe('a table', () => {
  const columns = [
    { title: 'NAME', value: (row: { name: string; count: number }) => row.name },
    { title: 'COUNT', value: (row: { name: string; count: number }) => row.count },
  ]
  test('has columns as wide as needed, and numbers to the right', () => {
    const rows = [
      { name: 'a', count: 1 },
      { name: 'long name', count: 1000 },
    ]
    expect(table(columns, rows)).toBe(
      ['NAME       COUNT', 'a              1', 'long name   1000'].join('\n'),
    )
  })
  test('without rows has its titles', () => {
    expect(table(columns, [])).toBe('NAME  COUNT')
  })
  test('shows a dash for what is not known', () => {
    expect(table([{ title: 'A', value: () => undefined }], [1])).toBe('A\n-')
  })
})

test('a list aligns its values', () => {
  expect(
    list([
      ['id', 'dlv_1'],
      ['attempts', 3],
      ['next', undefined],
    ]),
  ).toBe(['id        dlv_1', 'attempts  3', 'next      -'].join('\n'))
})
