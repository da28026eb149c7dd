/**
 * `docs/licences.md`: what is installed beside the program in production, under which licence. Read from the lock file
 * alone, so it needs no network and no installed packages. A package whose licence is not on the list below stops the
 * generator: somebody has to look at it before it is shipped.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './ensure.mjs'
import { table } from './table.mjs'

const PAGE = 'docs/licences.md'

/**
 * Licences that let a program under the MIT licence be passed on together with the package, asking for no more than
 * that their text and the names in it come along.
 */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC-BY-4.0', // of data
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Python-2.0',
  'Unlicense',
])

/** What a package says of its data beside the licence in its manifest; checked by hand at each new version. */
const DATA = {
  '@ip-location-db/geo-whois-asn-country-mmdb':
    'Countries of addresses. The manifest says CC0-1.0; its README names registry data under CC BY 4.0 as the source. ' +
    'We keep to the stricter of the two: contains data of the [NRO](https://www.nro.net/) and the regional registries, ' +
    'licensed under [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), converted by ' +
    '[ip-location-db](https://github.com/sapics/ip-location-db).',
}

/**
 * What `npm ci --omit=dev` can install on some machine, by name; platform packages included. Each name and version
 * once, wherever in the tree it lies.
 */
export function productionPackages({ packages }) {
  const direct = packages['']?.dependencies ?? {}
  const found = new Map()
  for (const [path, entry] of Object.entries(packages)) {
    // `dev` is on what only devDependencies need; `link` names a folder that has an entry of its own.
    if (path === '' || entry.dev === true || entry.link === true) continue
    const name = entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 13)
    const { version = '?', license: licence, optional = false } = entry
    const isDirect = path === `node_modules/${name}` && Object.hasOwn(direct, name)
    const known = found.get(`${name}@${version}`)
    found.set(`${name}@${version}`, {
      name,
      version,
      // npm wrote an object or a list before there were expressions.
      licence: typeof licence === 'string' ? licence : undefined,
      isDirect: isDirect || known?.isDirect === true,
      isOptional: optional && known?.isOptional !== false,
    })
  }
  return [...found.values()].sort((a, b) =>
    `${a.name}@${a.version}` < `${b.name}@${b.version}` ? -1 : 1,
  )
}

/**
 * Whether an SPDX expression can be met with allowed licences alone: one side of an OR, all of an AND. What is no
 * expression (`SEE LICENSE IN …`, `UNLICENSED`, nothing at all) is not.
 */
export function isAllowed(expression) {
  const words = expression?.match(/[()]|[^\s()]+/g) ?? []
  let at = 0
  // Grammar of SPDX 2.3, annex D; AND binds closer than OR. Undefined: not an expression.
  function any() {
    let result = all()
    while (words[at] === 'OR') {
      at++
      const right = all()
      result = result === undefined || right === undefined ? undefined : result || right
    }
    return result
  }
  function all() {
    let result = one()
    while (words[at] === 'AND') {
      at++
      const right = one()
      result = result === undefined || right === undefined ? undefined : result && right
    }
    return result
  }
  function one() {
    const word = words[at++]
    if (word === '(') {
      const inner = any()
      return words[at++] === ')' ? inner : undefined
    }
    if (word === undefined || !/^[A-Za-z0-9][A-Za-z0-9.-]*\+?$/.test(word)) return undefined
    return ALLOWED.has(word)
  }
  const result = any()
  return at === words.length && result === true
}

/** One line for each package that must not be shipped before somebody has looked at it. */
export const refusals = (found) =>
  found
    .filter(({ licence }) => !isAllowed(licence))
    .map(({ name, version, licence }) => `${name}@${version}: ${licence ?? 'no licence'}`)

/** Data that is listed and no longer installed. */
const staleData = (found) =>
  Object.keys(DATA).filter((name) => !found.some((one) => one.name === name))

const INTRODUCTION = `# Licences

Posthorn is under the [MIT licence](../LICENSE). These are the packages that it needs in production, with those that they
need themselves, as \`package-lock.json\` has them; "some platforms" are ready-made binaries, of which a machine gets the
one that fits. Their licence texts are in their folders, in \`node_modules\` and in the container image; a few packages only
name theirs in their manifest.

\`npm run generate\` writes this page, and fails on a licence that is not one of
${[...ALLOWED].join(', ')}.`

export function licencePage(found) {
  const counts = new Map()
  for (const { licence } of found) counts.set(licence, (counts.get(licence) ?? 0) + 1)
  const summary = [...counts]
    .sort(([a, one], [b, other]) => other - one || (a < b ? -1 : 1))
    .map(([licence, count]) => [licence, String(count)])
  const rows = found.map(({ name, version, licence, isDirect, isOptional }) => [
    name,
    version,
    licence,
    isDirect ? 'directly' : isOptional ? 'some platforms' : '',
  ])
  const data = found
    .filter(({ name }) => Object.hasOwn(DATA, name))
    .map(({ name, version }) => `- \`${name}\` ${version}: ${DATA[name]}`)
  return [
    INTRODUCTION,
    table(['Licence', 'Packages'], summary),
    '## Data',
    data.join('\n'),
    '## Packages',
    `${table(['Package', 'Version', 'Licence', 'Needed'], rows)}\n`,
  ].join('\n\n')
}

/** Path → text, for generate.mjs. Throws when there is a licence to look at. */
export function licenceFiles() {
  const found = productionPackages(
    JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')),
  )
  const open = [
    ...refusals(found),
    ...staleData(found).map((name) => `${name}: its data is described and it is not installed`),
  ]
  if (open.length > 0)
    throw new Error(`Licences to look at, see .tools/licences.mjs:\n  ${open.join('\n  ')}`)
  return { [PAGE]: licencePage(found) }
}
