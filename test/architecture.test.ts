/** The rules of the house that a machine can hold: who may import whom, how long a file may be, what it may be called. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { isBuiltin } from 'node:module'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')

const BELOW_SERVICES = [
  'server/core',
  'server/protocol',
  'server/policy',
  'dns',
  'warmup',
  'server/config',
  'server/store',
  'server/store/read',
  'server/queue',
  'server/delivery',
]

/** A file may import its own layer and the layers named here, nothing else. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'server/core': [],
  'server/protocol': ['server/core'],
  'server/policy': ['server/core'],
  dns: ['server/core'],
  warmup: ['server/core'],
  'server/config': ['server/core'],
  'server/queue': ['server/core'],
  'server/store/read': ['server/core'],
  'server/store': ['server/core', 'server/store/read'],
  'server/delivery': ['server/core', 'server/protocol', 'dns'],
  'server/services': BELOW_SERVICES,
  'server/workers': ['server/core', 'server/queue', 'server/services'],
  'server/smtp': ['server/core', 'server/protocol', 'server/services'],
  // Reads through store/read, writes only through services.
  'server/http': ['server/core', 'server/store/read', 'server/services'],
  'server/cli': [
    'server/core',
    'server/config',
    'server/services',
    'server/store',
    'server/store/read',
    'dns',
  ],
}

/** The composition root, in no layer: may see everything, and nobody may see it. */
const ROOT_FILES = [
  'server/main.ts',
  'server/serve.ts',
  'server/app.ts',
  'server/compose-control.ts',
  'server/compose-lane.ts',
  'server/compose-ways-in.ts',
  'server/ports.ts',
  'server/version.ts',
]

/** Package → the layers that may import it. A package that is not here is a decision that nobody has taken yet. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  kysely: ['server/store', 'server/store/read'],
  'better-sqlite3': ['server/store', 'server/store/read'],
  bullmq: ['server/queue'],
  ioredis: ['server/queue'],
  nodemailer: ['server/delivery'],
  'smtp-server': ['server/smtp'],
  selfsigned: ['server/smtp', 'server/services'],
  fastify: ['server/http'],
  '@fastify/cookie': ['server/http'],
  '@fastify/helmet': ['server/http'],
  '@fastify/swagger': ['server/http'],
  '@fastify/type-provider-typebox': ['server/http'],
  // services/auth
  '@casl/ability': ['server/services'],
  '@node-rs/argon2': ['server/services'],
  '@simplewebauthn/server': ['server/services'],
  otplib: ['server/services'],
  'rate-limiter-flexible': ['server/services'],
  // services/backup
  '@aws-sdk/client-s3': ['server/services'],
  '@aws-sdk/lib-storage': ['server/services'],
  // services/auth
  maxmind: ['server/services'],
  '@ip-location-db/geo-whois-asn-country-mmdb': [], // data, found by its path
  'prom-client': ['server/services', 'server/http'],
  typebox: ['server/config', 'server/cli', 'server/http'],
  'dns-packet': ['dns'],
  pino: [], // server/ports.ts
}

const MAX_LINES = 400
const BANNED_NAMES = [
  'index.ts',
  'utils.ts',
  'util.ts',
  'helpers.ts',
  'helper.ts',
  'common.ts',
  'misc.ts',
]

const layers = Object.keys(MAY_IMPORT).sort((a, b) => b.length - a.length) // the longest prefix wins
const layerOf = (path: string): string | undefined =>
  layers.find((layer) => path.startsWith(`${layer}/`))

/** What a file imports, statically, dynamically or for its types; texts that only look like it are left out. */
const specifiersOf = (text: string): readonly string[] =>
  ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName)

/** The one look upwards: queries for screens need the types of the tables, and types are erased. */
const isTableTypes = (from: string, target: string, specifier: string, text: string): boolean =>
  from === 'server/store/read' &&
  target === 'server/store/schema.ts' &&
  [...text.matchAll(/^import (?!type )[^;'"]*from ['"]([^'"]+)['"]/gm)].every(
    ([, imported]) => imported !== specifier,
  )

const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

/** Everything that is wrong with the imports of one file. */
function wrongImports(file: string, text: string): string[] {
  const from = layerOf(file)
  if (from === undefined) {
    return ROOT_FILES.includes(file) ? [] : [`${file} is in no layer and not part of the root`]
  }
  return specifiersOf(text).flatMap((specifier) => {
    if (specifier.startsWith('.')) {
      const target = relative(root, resolve(root, dirname(file), specifier))
      const to = layerOf(target)
      const isAllowed = to === from || (to !== undefined && MAY_IMPORT[from]!.includes(to))
      if (isAllowed || isTableTypes(from, target, specifier, text)) return []
      return [`${file} -> ${target}`]
    }
    if (isBuiltin(specifier)) {
      return specifier.startsWith('node:') ? [] : [`${file} -> ${specifier} without node:`]
    }
    const name = packageOf(specifier)
    return PACKAGES[name]?.includes(from) === true ? [] : [`${file} -> package ${name}`]
  })
}

/** Everything that is wrong with the form of one file. */
function wrongForm(file: string, text: string): string[] {
  const lines = text.split('\n').length - 1
  // A barrel only hands on; a file that hands on one thing beside its own is none.
  const statements = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '').trim()
  const rest = statements.replace(/export\s+(?:type\s+)?(?:\*|\{[^}]*\})[^\n]*\bfrom\b[^\n]*/g, '')
  return [
    ...(lines > MAX_LINES ? [`${file} has ${lines} lines`] : []),
    ...(BANNED_NAMES.includes(basename(file)) ? [`${file} says nothing about its content`] : []),
    ...(/[A-Z_ ]/.test(basename(file)) ? [`${file} is not kebab-case`] : []),
    ...(/^export default\b|^export \{[^}]*\bdefault\b/m.test(text)
      ? [`${file}: default export`]
      : []),
    ...(/^export \* from/m.test(text) ? [`${file}: export *`] : []),
    ...(statements !== '' && rest.trim() === '' ? [`${file} only re-exports`] : []),
    ...(/\b(?:TODO|FIXME|XXX)\b/.test(text) ? [`${file} has a TODO`] : []),
    ...(/^(?:#!.*\n)?\s*(?:\/\/|\/\*)/.test(text) ? [] : [`${file} does not say what it is for`]),
  ]
}

const files = ['server', 'dns', 'warmup']
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file)),
  )
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

test('imports flow one way', () => {
  expect(files.length).toBeGreaterThan(20)
  const wrong = new Set(files.flatMap((file) => wrongImports(file, read(file))))
  expect([...wrong].sort()).toEqual([])
})

test('files are short, named for what they hold, and say what they are for', () => {
  expect(files.flatMap((file) => wrongForm(file, read(file)))).toEqual([])
})

test('the layer table has no cycle', () => {
  const visit = (layer: string, path: readonly string[]): void => {
    expect(path, [...path, layer].join(' > ')).not.toContain(layer)
    for (const next of MAY_IMPORT[layer]!) visit(next, [...path, layer])
  }
  for (const layer of layers) visit(layer, [])
})

test('every dependency has its layers, and every entry is a dependency', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  expect(Object.keys(PACKAGES).sort()).toEqual(Object.keys(manifest.dependencies).sort())
})

describe('the rules find what they are for', () => {
  test.each([
    [
      'server/core/x.ts',
      "import { a } from '../store/a.ts'",
      'server/core/x.ts -> server/store/a.ts',
    ],
    [
      'server/http/x.ts',
      "import type { A } from '../store/a.ts'",
      'server/http/x.ts -> server/store/a.ts',
    ],
    [
      'server/policy/x.ts',
      "const a = await import('../services/a.ts')",
      'server/policy/x.ts -> server/services/a.ts',
    ],
    ['server/smtp/x.ts', "import { a } from '../ports.ts'", 'server/smtp/x.ts -> server/ports.ts'],
    ['server/http/x.ts', "import { sql } from 'kysely'", 'server/http/x.ts -> package kysely'],
    ['server/store/x.ts', "import a from 'left-pad'", 'server/store/x.ts -> package left-pad'],
    ['server/store/x.ts', "import { a } from 'fs'", 'server/store/x.ts -> fs without node:'],
    [
      'server/store/read/x.ts',
      "import { tables } from '../schema.ts'",
      'server/store/read/x.ts -> server/store/schema.ts',
    ],
    ['server/x.ts', '', 'server/x.ts is in no layer and not part of the root'],
  ])('%s with %j', (file, text, complaint) => {
    expect(wrongImports(file, text)).toEqual([complaint])
  })

  test.each([
    ['server/http/routes/x.ts', "import { a } from '../../store/read/a.ts'"],
    ['server/store/read/x.ts', "import { sql } from 'kysely'"],
    ['server/delivery/smtp/x.ts', "import C from 'nodemailer/lib/smtp-connection'"],
    ['server/store/read/x.ts', "import type { Tables } from '../schema.ts'"],
    ['server/protocol/x.ts', "const words = ['from ', 'the import']"],
    ['server/main.ts', "import { a } from './store/a.ts'"],
  ])('%s may have %j', (file, text) => {
    expect(wrongImports(file, text)).toEqual([])
  })

  const HEAD = '/** What it is for. */\n'
  test.each([
    ['dns/x.ts', HEAD + '\n'.repeat(400), 'dns/x.ts has 401 lines'],
    ['dns/utils.ts', HEAD, 'dns/utils.ts says nothing about its content'],
    ['dns/aThing.ts', HEAD, 'dns/aThing.ts is not kebab-case'],
    ['dns/x.ts', `${HEAD}export default 1`, 'dns/x.ts: default export'],
    ['dns/x.ts', `${HEAD}export { a } from './a.ts'`, 'dns/x.ts only re-exports'],
    ['dns/x.ts', `${HEAD}// TODO later`, 'dns/x.ts has a TODO'],
    ['dns/x.ts', 'export const a = 1', 'dns/x.ts does not say what it is for'],
  ])('%s: form of %#', (file, text, complaint) => {
    expect(wrongForm(file, text)).toEqual([complaint])
  })
})
