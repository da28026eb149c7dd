/**
 * The wall between tenants, as far as a machine can see it. Types keep queries on tenants' tables out of `store.read`
 * and `store.build`; here stands who may look at all tenants at once and why, and no SQL text may name a tenant's table
 * without its tenant unless it is on that list.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')

/** Where all tenants are looked at together, and why no tenant can be named there. */
const ACROSS: Readonly<Record<string, string>> = {
  'server/store/open.ts': 'makes the doors',
  'server/store/tenant-scope.ts': 'is the wall',
  'server/compose-ways-in.ts': 'hands the reader its handle; each of its reads takes a tenant',
  'server/services/catalog.ts': 'loads the settings of all tenants into memory',
  'server/services/explain.ts': 'passes the tenant on; an operator may leave it out',
  'server/services/explain-message.ts': 'for operators: finds out whose message it is',
  'server/services/queue.ts': 'the queue of the installation, for operators',
  'server/store/access-records.ts': 'loads keys and logins of all tenants into memory',
  'server/store/after-restore.ts': 'suspends what waits after a restore, whoever it is of',
  'server/store/audit.ts': 'the chain runs over all tenants; lists take a tenant as a filter',
  'server/store/body.ts': 'reads bodies by the key of a message that was found with its tenant',
  'server/store/catalog.ts': 'loads the settings of all tenants into memory',
  'server/store/invitations.ts': 'an invitation is found by its secret, before there is a tenant',
  'server/store/lanes.ts': 'lanes are shared by all tenants',
  'server/store/memberships.ts': 'the tenants of one person',
  'server/store/retention.ts': 'forgets by age, whoever it is of',
  'server/store/sealed.ts': 'seals every secret again, whoever it is of',
  'server/store/security-events.ts': 'the security log of the installation, for operators',
  'server/store/snapshot.ts': 'counts what a backup holds',
  'server/store/users.ts': 'what one person made in any tenant',
  'server/store/read/quotas.ts': 'loads the quotas of all tenants into memory',
  'server/store/schema.ts': 'declares the handle',
  'server/store/read/reader.ts': 'binds the handle; each of its reads takes a tenant',
  'server/store/read/message.ts': 'finds by tenant, and then what belongs to what was found',
  'server/store/read/messages.ts':
    'narrows by tenant, and then adds what belongs to what was found',
  'server/store/read/events.ts': 'reads a range of keys and keeps the rows of the tenant',
  'server/store/read/queue.ts': 'the queue of the installation, for operators',
}

/** Of migrations/: tables with a tenant in each row, and those whose rows belong to a row of such a table. */
const TENANT_TABLES = [
  'access_countries',
  'access_uses',
  'attempts',
  'audit',
  'bodies',
  'credentials',
  'deliveries',
  'dkim_keys',
  'domains',
  'events',
  'idempotency',
  'invitations',
  'keys',
  'memberships',
  'message_tags',
  'messages',
  'quota_uses',
  'quotas',
  'roles',
  'security_events',
  'suppressions',
]
/** The writer and the migrations work below the wall: they get keys that services have found with their tenant. */
const BELOW = ['server/store/hot/', 'server/store/migrations/']

const files = readdirSync(join(root, 'server'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => join('server', file))
  .filter((file) => !BELOW.some((folder) => file.startsWith(folder)))
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

/** Texts of the file's strings and templates, each template with its parts joined. */
function textsOf(source: string): string[] {
  const texts: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) texts.push(node.text)
    if (ts.isTemplateExpression(node))
      texts.push(
        [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join('?'),
      )
    node.forEachChild(visit)
  }
  visit(ts.createSourceFile('x.ts', source, ts.ScriptTarget.Latest, true))
  return texts
}

const TABLE = new RegExp(
  `\\b(?:from|join|update|into|delete from)\\s+(?:"?)(${TENANT_TABLES.join('|')})\\b`,
  'i',
)
/** SQL that names a tenant's table and no tenant. */
const openSql = (source: string): string[] =>
  textsOf(source).filter((text) => TABLE.test(text) && !/tenant_id/.test(text))

const usesAcross = (source: string): boolean => /\bacross\b\s*[.:}]|\bAllTenants\b/.test(source)

test('every table with a tenant is known to this test', () => {
  const migrations = readdirSync(join(root, 'server/store/migrations'))
    .map((file) => read(join('server/store/migrations', file)))
    .join('\n')
  const tables = [...migrations.matchAll(/create table (\w+) \(([\s\S]*?)\) strict/g)]
    .filter(([, , columns]) => /\btenant_id\b/.test(columns ?? ''))
    .map(([, name]) => name)
  expect(tables.length).toBeGreaterThan(10)
  expect(TENANT_TABLES).toEqual(expect.arrayContaining(tables))
})

test('only those on the list look at all tenants', () => {
  const open = files.filter((file) => usesAcross(read(file)))
  expect(open.filter((file) => ACROSS[file] === undefined)).toEqual([])
})

test('no SQL text names a tenant’s table without the tenant', () => {
  const wrong = files
    .filter((file) => ACROSS[file] === undefined)
    .flatMap((file) => openSql(read(file)).map((text) => `${file}: ${text.slice(0, 80)}`))
  expect(wrong).toEqual([])
})

test('nobody is on the list without need', () => {
  const needless = Object.keys(ACROSS).filter((file) => {
    const source = read(file)
    return !usesAcross(source) && openSql(source).length === 0
  })
  expect(needless).toEqual([])
})

describe('the rules find what they are for', () => {
  test.each([
    ['sql`select * from messages where id = ${id}`', 1],
    ['sql`delete from quotas where scope = ${scope}`', 1],
    ['sql`select * from messages where id = ${id} and tenant_id = ${tenant}`', 0],
    ['sql`select * from sources where id = ${id}`', 0],
    ["db.prepare('update deliveries set state = ?')", 1],
  ])('%s', (source, count) => {
    expect(openSql(source)).toHaveLength(count)
  })
  test.each([
    ['store.across.read.selectFrom(x)', true],
    ['({ across: { read } }) => read', true],
    ['// looks across the street', false],
  ])('%s: %s', (source, expected) => {
    expect(usesAcross(source)).toBe(expected)
  })
})

test('types refuse a tenant’s table at the shared doors', () => {
  const source = `
    import type { Store } from './server/store/open.ts'
    declare const store: Store
    store.read.selectFrom('messages')
    store.build.updateTable('keys')
    store.build.deleteFrom('domains')
    store.read.selectFrom('sources').innerJoin('deliveries', 'deliveries.id', 'sources.id')
    store.read.selectFrom('users')
    store.of(1 as never).selectFrom('messages')
  `
  const name = join(root, 'tenancy-probe.ts')
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    allowImportingTsExtensions: true,
    types: ['node'],
  }
  const host = ts.createCompilerHost(options)
  const original = host.getSourceFile.bind(host)
  host.getSourceFile = (file, ...rest) =>
    file === name
      ? ts.createSourceFile(file, source, ts.ScriptTarget.ES2023, true)
      : original(file, ...rest)
  const program = ts.createProgram([name], options, host)
  const lines = program
    .getSemanticDiagnostics(program.getSourceFile(name))
    .map(({ start = 0 }) => source.slice(0, start).split('\n').length - 1)
  // Lines of the probe, from 1: the four that reach for a tenant's table, and no other.
  expect([...new Set(lines)]).toEqual([3, 4, 5, 6])
})
