/** A Markdown table as prettier writes it, so that generated pages pass the check of the format. */
export function table(head, rows) {
  const widths = head.map((title, i) =>
    Math.max(3, title.length, ...rows.map((row) => row[i].length)),
  )
  const line = (row, fill) =>
    `| ${widths.map((width, i) => row[i].padEnd(width, fill)).join(' | ')} |`
  return [
    line(head, ' '),
    line(
      head.map(() => ''),
      '-',
    ),
    ...rows.map((row) => line(row, ' ')),
  ].join('\n')
}
