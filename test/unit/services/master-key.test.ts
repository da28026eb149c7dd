/** The key ring on disk, what rotates and what must not, and sealed texts of both formats. */
import { createCipheriv, hkdfSync } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { realRandom } from '../../../server/ports.ts'
import {
  addKeyVersion,
  loadMasterKey,
  masterKeyFile,
  parseKeyRing,
  readMasterKey,
  removeKeyVersion,
} from '../../../server/services/auth/master-key.ts'
import type { KeyPurpose } from '../../../server/services/auth/master-key.ts'
import { makeSeal } from '../../../server/services/auth/seal.ts'

const HEX = 'ab'.repeat(32)
const OTHER = 'cd'.repeat(32)

function folder(content?: string): string {
  const dataDir = mkdtempSync(join(tmpdir(), 'posthorn-key-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  if (content !== undefined) writeFileSync(masterKeyFile(dataDir), content, { mode: 0o600 })
  return dataDir
}

/** As version 0.1 derived and sealed. */
const firstKey = (purpose: string): Buffer =>
  Buffer.from(hkdfSync('sha256', Buffer.from(HEX, 'hex'), 'posthorn', `posthorn/${purpose}/1`, 32))
function sealedByFirst(plain: string): string {
  const nonce = realRandom.bytes(12)
  const cipher = createCipheriv('aes-256-gcm', firstKey('seal'), nonce)
  const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
  return `s1.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`
}

describe('the file', () => {
  test.each<[string, number[] | undefined, string]>([
    [`${HEX}\n`, [1], 'of version 0.1'],
    [`1:${HEX}\n`, [1], 'one version'],
    [`1:${HEX}\n2:${OTHER}\n`, [1, 2], 'two'],
    [`${HEX}\n3:${OTHER}`, [1, 3], 'numbers may have gaps'],
    ['', undefined, 'empty'],
    [`2:${HEX}`, undefined, 'without version 1 nothing that never rotates can be derived'],
    [`1:${HEX}\n1:${OTHER}`, undefined, 'the same twice'],
    [`1:${HEX.slice(2)}`, undefined, 'too short'],
    [`1:${HEX}x`, undefined, 'too long'],
    [`0:${HEX}`, undefined, 'there is no version 0'],
    [`1:${HEX}\nhello`, undefined, 'something else behind it'],
  ])('%j', (text, versions) => {
    const ring = parseKeyRing(text)
    expect(ring === undefined ? undefined : [...ring.keys()]).toEqual(versions)
  })

  test('is made for its owner only, and is the same at the next start', () => {
    const dataDir = folder()
    expect(readMasterKey(dataDir)).toBeUndefined()
    const made = loadMasterKey(dataDir, realRandom).derive('seal')
    expect(statSync(masterKeyFile(dataDir)).mode & 0o077).toBe(0)
    expect(loadMasterKey(dataDir, realRandom).derive('seal')).toEqual(made)
    expect(readdirSync(dataDir)).toEqual(['master.key'])
  })

  test('that holds something else is refused and left alone', () => {
    const dataDir = folder('no key')
    expect(() => loadMasterKey(dataDir, realRandom)).toThrow(/does not hold a master key/)
    expect(readFileSync(masterKeyFile(dataDir), 'utf8')).toBe('no key')
  })

  test('takes versions and gives them up', () => {
    const dataDir = folder(`${HEX}\n`)
    expect(addKeyVersion(dataDir, realRandom)).toBe(2)
    expect(addKeyVersion(dataDir, realRandom)).toBe(3)
    removeKeyVersion(dataDir, 2)
    expect(readMasterKey(dataDir)?.versions).toEqual([1, 3])
    expect(readFileSync(masterKeyFile(dataDir), 'utf8')).toContain(`1:${HEX}\n3:`)
    expect(statSync(masterKeyFile(dataDir)).mode & 0o077).toBe(0)
  })

  test('is changed by one process at a time', () => {
    const dataDir = folder(`${HEX}\n`)
    writeFileSync(`${masterKeyFile(dataDir)}.new`, '')
    expect(() => addKeyVersion(dataDir, realRandom)).toThrow(/Another process changes/)
    expect(readFileSync(masterKeyFile(dataDir), 'utf8')).toBe(`${HEX}\n`)
  })
})

describe('what is derived', () => {
  const FIXED: readonly KeyPurpose[] = [
    'secret-hash',
    'return-path',
    'audit',
    'backup',
    'session',
    'token',
  ]
  test.each(['seal', ...FIXED] as const)('%s of version 1 is what it always was', (purpose) => {
    expect(loadMasterKey(folder(`${HEX}\n`), realRandom).derive(purpose)).toEqual(firstKey(purpose))
  })
  test.each(FIXED)('%s survives a rotation', (purpose) => {
    const dataDir = folder(`${HEX}\n`)
    addKeyVersion(dataDir, realRandom)
    expect(loadMasterKey(dataDir, realRandom).derive(purpose)).toEqual(firstKey(purpose))
  })
  test('the key for sealing rotates', () => {
    const dataDir = folder(`${HEX}\n`)
    addKeyVersion(dataDir, realRandom)
    const key = loadMasterKey(dataDir, realRandom)
    expect(key.current).toBe(2)
    expect(key.derive('seal')).not.toEqual(firstKey('seal'))
    expect(key.derive('seal', 1)).toEqual(firstKey('seal'))
  })
})

describe('sealed texts', () => {
  const sealOf = (dataDir: string) => makeSeal(loadMasterKey(dataDir, realRandom), realRandom)

  test('of version 0.1 open, whatever they are for', () => {
    expect(sealOf(folder(`${HEX}\n`)).open(sealedByFirst('grün'), 'totp')).toBe('grün')
  })

  test('say which version they need, and open for what they are for only', () => {
    const seal = sealOf(folder(`${HEX}\n2:${OTHER}\n`))
    const text = seal.seal('geheim', 'dkim')
    expect(text).toMatch(/^s2\.2\.[\w-]+$/)
    expect(seal.open(text, 'dkim')).toBe('geheim')
    expect(() => seal.open(text, 'next-hop')).toThrow()
  })

  test('do not open when a bit is off, another version is named, or they are cut', () => {
    const seal = sealOf(folder(`${HEX}\n2:${OTHER}\n`))
    const text = seal.seal('geheim', 'dkim')
    const at = text.length - 4
    const flipped = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
    for (const wrong of [
      flipped,
      text.replace('s2.2.', 's2.1.'),
      text.replace('s2.2.', 's2.9.'),
      text.replace('s2.2.', 's1.'),
      text.slice(0, 30),
      'geheim',
      '',
    ])
      expect(() => seal.open(wrong, 'dkim'), wrong).toThrow()
  })

  test('of a rotation by another process open, and are made with its version', () => {
    const dataDir = folder(`${HEX}\n`)
    const server = sealOf(dataDir)
    addKeyVersion(dataDir, realRandom)
    const elsewhere = sealOf(dataDir).seal('neu', 'totp')
    expect(server.open(elsewhere, 'totp')).toBe('neu')
    expect(server.seal('x', 'totp')).toMatch(/^s2\.2\./)
  })

  test('that a process holds in memory open after their version was forgotten', () => {
    const dataDir = folder(`${HEX}\n2:${OTHER}\n`)
    const server = sealOf(dataDir)
    const held = server.seal('alt', 'next-hop')
    addKeyVersion(dataDir, realRandom)
    removeKeyVersion(dataDir, 2)
    expect(server.seal('x', 'totp')).toMatch(/^s2\.3\./)
    expect(server.open(held, 'next-hop')).toBe('alt')
    expect(() => sealOf(dataDir).open(held, 'next-hop')).toThrow()
  })
})
