/** What is shipped beside the program is under a licence that allows it, and the rules refuse what they are for. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isAllowed, licenceFiles, productionPackages, refusals } from '../.tools/licences.mjs'
import type { LockEntry, LockFile } from '../.tools/licences.mjs'

const root = join(import.meta.dirname, '..')
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile

/** A lock file of the entries, below a root that depends on `direct`. */
const lockOf = (entries: Readonly<Record<string, LockEntry>>): LockFile => ({
  packages: { '': { dependencies: { direct: '1.0.0' } }, ...entries },
})

test('everything that production needs is under a licence that lets us ship it', () => {
  const found = productionPackages(lock)
  expect(refusals(found)).toEqual([])
  const direct = found.filter(({ isDirect }) => isDirect).map(({ name }) => name)
  expect(direct).toEqual(Object.keys(lock.packages['']?.dependencies ?? {}).sort())
})

test('the page names each package of the lock file', () => {
  const page = Object.values(licenceFiles()).join()
  const missing = productionPackages(lock).filter(
    ({ name, version }) => !new RegExp(`^\\| ${name} +\\| ${version} `, 'm').test(page),
  )
  expect(missing).toEqual([])
})

describe('licences', () => {
  test.each([
    ['MIT', true, 'the plain case'],
    ['CC0-1.0', true, 'data that belongs to nobody'],
    ['(MIT OR GPL-3.0-only)', true, 'we choose MIT'],
    ['GPL-3.0-only OR MIT', true, 'without brackets, the right side'],
    ['(BSD-2-Clause OR MIT OR Apache-2.0)', true, 'three to choose from'],
    ['MIT AND ISC', true, 'both allowed'],
    ['(MIT OR GPL-2.0-only) AND Apache-2.0', true, 'a choice in one half'],
    ['MIT AND GPL-3.0-only', false, 'the other half binds too'],
    ['GPL-2.0-only OR MIT AND GPL-3.0-only', false, 'AND binds closer than OR'],
    ['GPL-3.0-only', false, 'would bind the whole program'],
    ['AGPL-3.0-or-later', false, 'would bind whoever offers it over the network'],
    ['SSPL-1.0', false, 'not a free licence'],
    ['BUSL-1.1', false, 'no production use'],
    ['CC-BY-NC-4.0', false, 'no commercial use'],
    ['UNLICENSED', false, 'npm’s word for "nobody may use this"'],
    ['SEE LICENSE IN LICENSE.md', false, 'somebody has to read it'],
    ['MIT/X11', false, 'no SPDX expression'],
    ['MIT OR', false, 'cut off'],
    ['(MIT', false, 'a bracket that is not closed'],
    ['MIT) OR (MIT', false, 'brackets the wrong way round'],
    ['MIT ISC', false, 'no word between them'],
    ['Apache-2.0 WITH LLVM-exception', false, 'an exception nobody has read yet'],
    ['mit', false, 'not as SPDX spells it, so not certainly the same'],
    ['', false, 'empty'],
    [undefined, false, 'missing'],
  ])('%j: %s, %s', (expression, expected, _why) => {
    expect(isAllowed(expression)).toBe(expected)
  })
})

describe('packages', () => {
  test.each<[string, Readonly<Record<string, LockEntry>>, readonly string[]]>([
    [
      'refused by name, version and licence',
      { 'node_modules/direct': { version: '1.0.0', license: 'GPL-3.0-only' } },
      ['direct@1.0.0: GPL-3.0-only'],
    ],
    [
      'one that says nothing',
      { 'node_modules/direct': { version: '1.0.0' } },
      ['direct@1.0.0: no licence'],
    ],
    [
      'a list of licences as before there were expressions',
      { 'node_modules/direct': { version: '1.0.0', license: ['MIT'] } },
      ['direct@1.0.0: no licence'],
    ],
    [
      'deep in the tree, with a scope',
      { 'node_modules/direct/node_modules/@a/b': { version: '2.0.0', license: 'UNLICENSED' } },
      ['@a/b@2.0.0: UNLICENSED'],
    ],
    [
      'a binary for another platform than this one',
      { 'node_modules/@a/win32': { version: '1.0.0', license: 'GPL-2.0-only', optional: true } },
      ['@a/win32@1.0.0: GPL-2.0-only'],
    ],
    [
      'needed by tools, and optional for the program',
      { 'node_modules/both': { version: '1.0.0', license: 'GPL-2.0-only', devOptional: true } },
      ['both@1.0.0: GPL-2.0-only'],
    ],
    [
      'under another name than its folder',
      { 'node_modules/alias': { name: 'real', version: '1.0.0', license: 'SSPL-1.0' } },
      ['real@1.0.0: SSPL-1.0'],
    ],
    [
      'only for development',
      { 'node_modules/tool': { version: '1.0.0', license: 'GPL-3.0-only', dev: true } },
      [],
    ],
  ])('%s', (_what, entries, expected) => {
    expect(refusals(productionPackages(lockOf(entries)))).toEqual(expected)
  })

  test('the same package in two places is listed once, and a ready-made binary is marked', () => {
    const mit = { version: '1.0.0', license: 'MIT' }
    const found = productionPackages(
      lockOf({
        'node_modules/direct': mit,
        'node_modules/a/node_modules/direct': mit,
        'node_modules/a': { ...mit, optional: true },
        'node_modules/b/node_modules/a': { ...mit, version: '2.0.0' },
      }),
    )
    expect(found).toEqual([
      { name: 'a', version: '1.0.0', licence: 'MIT', isDirect: false, isOptional: true },
      { name: 'a', version: '2.0.0', licence: 'MIT', isDirect: false, isOptional: false },
      { name: 'direct', version: '1.0.0', licence: 'MIT', isDirect: true, isOptional: false },
    ])
  })
})
