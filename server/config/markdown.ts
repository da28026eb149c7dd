/**
 * Markdown that the formatter leaves as it is: generated pages are compared with the committed ones byte by byte,
 * and the committed ones are formatted.
 */

/** A table with columns padded to the same width. Cells are one line; a pipe in them is escaped. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')))
  const widths = head.map((_, column) =>
    Math.max(3, ...cells.map((row) => (row[column] ?? '').length)),
  )
  const line = (row: readonly string[], fill: string): string =>
    `| ${widths.map((width, column) => (row[column] ?? '').padEnd(width, fill)).join(' | ')} |`
  const [first = [], ...others] = cells
  return [line(first, ' '), line([], '-'), ...others.map((row) => line(row, ' '))].join('\n')
}
