import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { acquireInstanceLock, instanceHolder } from '../../../server/services/instance-lock.ts'

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'posthorn-lock-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function acquire(dataDir: string): () => void {
  const lock = acquireInstanceLock(dataDir)
  if ('heldBy' in lock) throw new Error(`held by ${lock.heldBy}`)
  return () => lock.release()
}

test('one holder at a time; released, it is free and leaves nothing', () => {
  const dataDir = folder()
  expect(instanceHolder(dataDir)).toBeUndefined()
  const release = acquire(dataDir)
  expect(acquireInstanceLock(dataDir)).toEqual({ heldBy: process.pid })
  expect(instanceHolder(dataDir)).toBe(process.pid)
  release()
  release()
  expect(readdirSync(dataDir)).toEqual([])
  acquire(dataDir)()
})

/** A process id that was somebody's a moment ago. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(child, 'exit')
  return child.pid!
}

test('the lock of a process that is gone is taken over', async () => {
  const dataDir = folder()
  writeFileSync(join(dataDir, 'serve.lock'), `${await deadPid()} 1\n`)
  expect(instanceHolder(dataDir)).toBeUndefined()
  acquire(dataDir)
  expect(instanceHolder(dataDir)).toBe(process.pid)
})

test.runIf(process.platform === 'linux')('so is one whose process id has another owner now', () => {
  const dataDir = folder()
  acquire(dataDir)
  const lock = readFileSync(join(dataDir, 'serve.lock'), 'utf8')
  expect(lock).toMatch(/^\d+ \d+\n$/)
  writeFileSync(join(dataDir, 'serve.lock'), `${process.pid} 1\n`)
  expect(instanceHolder(dataDir)).toBeUndefined()
  acquire(dataDir)
})

test.each([
  ['', 'empty'],
  ['abc\n', 'no number'],
  ['-1 5\n', 'a group of processes'],
  ['0 5\n', 'our own group'],
])('%j is no lock: %s', (text) => {
  const dataDir = folder()
  writeFileSync(join(dataDir, 'serve.lock'), text)
  expect(instanceHolder(dataDir)).toBeUndefined()
  acquire(dataDir)
})

test('a lock without a start time counts while the process lives', () => {
  const dataDir = folder()
  writeFileSync(join(dataDir, 'serve.lock'), `${process.ppid}\n`)
  expect(acquireInstanceLock(dataDir)).toEqual({ heldBy: process.ppid })
})

test('a holder that is late does not remove the lock of the next one', () => {
  const dataDir = folder()
  const release = acquire(dataDir)
  writeFileSync(join(dataDir, 'serve.lock'), `${process.ppid}\n`)
  release()
  expect(instanceHolder(dataDir)).toBe(process.ppid)
})
