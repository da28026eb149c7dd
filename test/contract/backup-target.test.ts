/** The contract of places for backups, over each of them, and what only one of them can get wrong. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openTarget } from '../../server/services/backup/open-target.ts'
import { backupName } from '../../server/services/backup/target.ts'
import type { BackupTarget } from '../../server/services/backup/target.ts'
import { TEST_START } from '../support/clock.ts'
import { s3Double } from '../support/s3.ts'
import type { S3Double } from '../support/s3.ts'
import { targetContract } from './backup-target.contract.ts'

function scratch(): string {
  const root = mkdtempSync(join(tmpdir(), 'posthorn-target-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  return join(root, 'backups')
}

targetContract('a folder', async () => {
  const folder = scratch()
  return {
    target: await openTarget({ kind: 'folder', folder }),
    litter(name) {
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, name), 'x')
    },
    everything: () => (existsSync(folder) ? readdirSync(folder).sort() : []),
  }
})

async function s3(change: Partial<S3Double['settings']> = {}): Promise<{
  target: BackupTarget
  double: S3Double
}> {
  const double = await s3Double()
  const target = await openTarget({ ...double.settings, ...change })
  onTestFinished(async () => {
    target.close()
    await double.close()
  })
  return { target, double }
}

targetContract('S3', async () => {
  const { target, double } = await s3()
  return {
    target,
    litter: (name) => void double.objects.set(`mail/${name}`, Buffer.from('x')),
    everything: () => [
      ...[...double.objects.keys()].map((key) => key.replace(/^mail\//, '')).sort(),
      ...double.uploads.keys(),
    ],
  }
})

const NAME = backupName(TEST_START, '0002-control-plane')
async function* content(...sizes: number[]): AsyncGenerator<Buffer> {
  for (const size of sizes) yield Buffer.alloc(size, 7)
}

test('a folder is its owner’s, and so is what is in it', async () => {
  const folder = scratch()
  const target = await openTarget({ kind: 'folder', folder })
  await target.put(NAME, content(5), { sizeHint: 5 })
  expect(statSync(folder).mode & 0o077).toBe(0)
  expect(statSync(join(folder, NAME)).mode & 0o077).toBe(0)
})

test('a folder that cannot be one is told', async () => {
  const folder = scratch()
  writeFileSync(folder, 'a file')
  const target = await openTarget({ kind: 'folder', folder })
  await expect(target.put(NAME, content(5), { sizeHint: 5 })).rejects.toMatchObject({
    code: 'BACKUP_TARGET_FAILED',
    public: expect.stringContaining(folder) as string,
  })
})

describe('S3', () => {
  test('takes a large backup in few parts, each below the limit of 10,000', async () => {
    const { target, double } = await s3()
    await target.put(NAME, content(9_000_000, 9_000_000), { sizeHint: 9_000 * 9_500_000 })
    const parts = double.requests.filter(({ query }) => query.has('partNumber'))
    expect(parts.map(({ bytes }) => bytes)).toEqual([9_500_000, 8_500_000])
  })

  test('lists through as many pages as there are', async () => {
    const { target, double } = await s3()
    double.pageSize = 2
    for (let i = 0; i < 5; i++)
      double.objects.set(`mail/${backupName(TEST_START + i, 'x')}`, Buffer.alloc(i))
    double.objects.set(`other/${NAME}`, Buffer.alloc(1))
    expect((await target.list()).map(({ bytes }) => bytes)).toEqual([0, 1, 2, 3, 4])
    expect(double.requests).toHaveLength(3)
  })

  test.each<[Partial<S3Double['settings']>, string, string]>([
    [{ secretKey: 'another' }, 'SignatureDoesNotMatch', 'a wrong secret'],
    [{ accessKey: 'nobody' }, 'InvalidAccessKeyId', 'an unknown key'],
    [{ bucket: 'absent' }, 'NoSuchBucket', 'a bucket that is not there'],
    [{ endpoint: 'http://127.0.0.1:9' }, 'ECONNREFUSED', 'nobody at that address'],
  ])('%j says %s (%s)', async (change, code) => {
    const { target } = await s3(change)
    await expect(target.list()).rejects.toMatchObject({
      code: 'BACKUP_TARGET_FAILED',
      public: expect.stringContaining(code) as string,
    })
  })

  test('a part that fails once is sent again; one that always fails ends the upload', async () => {
    const { target, double } = await s3()
    let failures = 1
    double.fail = ({ query }) =>
      query.get('partNumber') === '2' && failures-- > 0
        ? { status: 503, code: 'SlowDown' }
        : undefined
    await target.put(NAME, content(9_000_000, 9_000_000), { sizeHint: 1 })
    expect(double.objects.get(`mail/${NAME}`)).toHaveLength(18_000_000)
    await target.remove(NAME)
    failures = Infinity
    await expect(
      target.put(NAME, content(9_000_000, 9_000_000), { sizeHint: 1 }),
    ).rejects.toMatchObject({ code: 'BACKUP_TARGET_FAILED' })
    expect([...double.objects.keys(), ...double.uploads.keys()]).toEqual([])
  })

  test('a download that is cut is the store’s failure', async () => {
    const { target, double } = await s3()
    await target.put(NAME, content(100), { sizeHint: 1 })
    double.fail = ({ method }) => (method === 'GET' ? 'cut' : undefined)
    const reading = async (): Promise<void> => {
      for await (const piece of await target.get(NAME)) expect(piece).toBeDefined()
    }
    await expect(reading()).rejects.toMatchObject({ code: 'BACKUP_TARGET_FAILED' })
  })
})
