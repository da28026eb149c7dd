/** Results as text for the terminal and as docs/performance.md. */

export function format(value) {
  if (!Number.isFinite(value)) return 'none'
  if (value >= 100) return Math.round(value).toLocaleString('en-US')
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

const targetOf = ({ atLeast, under, unit }) => {
  if (atLeast !== undefined) return `at least ${format(atLeast)} ${unit}`
  return under === undefined ? '' : `under ${format(under)} ${unit}`
}

function verdictOf({ value, atLeast, under }) {
  if (atLeast !== undefined) return value >= atLeast ? 'reached' : 'NOT REACHED'
  if (under !== undefined) return value < under ? 'reached' : 'NOT REACHED'
  return ''
}

/** More than this beside us, and rates say less about us than about what else ran. */
const QUIET = 0.05
const noiseOf = ({ others = 0 }) =>
  others <= QUIET
    ? undefined
    : `Other work took up to ${Math.round(others * 100)} % of the machine during these runs: rates and times are too low to be compared; processor times hold.`

export function table(result) {
  const noise = noiseOf(result)
  return [
    ...result.figures.map((figure) => {
      const value = `${format(figure.value)} ${figure.unit}`
      return `  ${figure.what.padEnd(52)} ${value.padStart(18)}  ${targetOf(figure).padEnd(26)} ${verdictOf(figure)}`.trimEnd()
    }),
    ...(noise === undefined ? [] : [`  ${noise}`]),
    ...threadsOf(result).flatMap((thread) => [
      `  ${thread.thread}, ${thread.seconds.toFixed(1)} s busy:`,
      ...thread.parts.slice(0, 12).map((part) => `    ${percent(part.share)}  ${part.name}`),
      '    functions:',
      ...thread.functions.slice(0, 30).map((one) => `    ${percent(one.share)}  ${one.name}`),
    ]),
  ].join('\n')
}

const percent = (share) => `${(share * 100).toFixed(1).padStart(5)} %`
/** Threads that did next to nothing are left out. */
const threadsOf = ({ spent = [] }) => spent.filter((thread) => thread.seconds > 0.2)

function rowMarkdown(row) {
  if (row.skipped !== undefined) return `## ${row.title}\n\nSkipped: ${row.skipped}.\n`
  const noise = noiseOf(row)
  const lines = row.figures.map(
    (figure) =>
      `| ${figure.what} | ${format(figure.value)} ${figure.unit} | ${targetOf(figure)} | ${verdictOf(figure).toLowerCase()} |`,
  )
  const profile = threadsOf(row).flatMap((thread) => [
    '',
    `Where the ${thread.thread} spends its time: ${thread.parts
      .slice(0, 8)
      .map(({ name, share }) => `${name} ${Math.round(share * 100)} %`)
      .join(', ')}.`,
  ])
  return [
    `## ${row.title}`,
    '',
    '| what | measured | aim | |',
    '|---|---|---|---|',
    ...lines,
    '',
    ...row.notes,
    ...(noise === undefined ? [] : ['', `**${noise}**`]),
    ...profile,
    '',
  ].join('\n')
}

/** The whole page. */
export function markdown({ machine, scale, rows }) {
  const aims = rows.flatMap(({ title, figures = [] }) =>
    figures
      .filter((figure) => verdictOf(figure) === 'NOT REACHED')
      .map(({ what }) => `${title}: ${what}`),
  )
  return [
    '# Performance',
    '',
    'Written by `npm run bench -- --write`. Everything runs on one machine, load and sinks included, with an fsync before',
    'every acknowledgement. Rates depend on the machine and on how quiet it is; processor time per message much less.',
    ...(scale === 1
      ? []
      : ['', `**Scaled by ${scale}: these figures only show that the benchmarks run.**`]),
    '',
    '| | |',
    '|---|---|',
    ...Object.entries({
      Date: machine.date,
      Commit: machine.commit,
      Machine: `${machine.processor}, ${machine.memory}`,
      System: `${machine.kernel}, Node ${machine.node}`,
      Disk: `${machine.fileSystem}, fsync ${machine.fsync}`,
      'Load before': machine.loadBefore.toFixed(2),
    }).map(([what, value]) => `| ${what} | ${value} |`),
    '',
    aims.length === 0 ? 'Every aim is reached.' : `Not reached: ${aims.join('; ')}.`,
    '',
    ...rows.map(rowMarkdown),
  ].join('\n')
}
