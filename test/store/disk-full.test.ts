/** A full disk refuses mail honestly: nothing half kept, and mail again once there is room. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { TestContext } from 'vitest'
import { AppError } from '../../server/core/errors.ts'
import { openBodies } from '../../server/store/body.ts'
import { refusedWith } from '../contract/writer.bench.ts'
import { aMessage } from '../support/builders.ts'
import { openTestStore } from '../support/store.ts'

/**
 * A data directory on a small disk of its own that goes when the test is over, and a file to take away for room.
 * Skips the test, loudly, without the right to mount one.
 */
function smallDisk(
  context: TestContext,
  fillerBytes: number,
): { dataDir: string; makeRoom: () => void } {
  const disk = mkdtempSync(join(tmpdir(), 'posthorn-disk-'))
  try {
    const options = ['-t', 'tmpfs', '-o', 'size=8m', 'posthorn-test', disk]
    execFileSync('mount', options, { stdio: 'pipe' })
  } catch (error) {
    rmSync(disk, { recursive: true })
    console.warn(`SKIPPED, a small disk cannot be mounted: ${String(error)}`)
    context.skip()
  }
  onTestFinished(() => {
    execFileSync('umount', [disk])
    rmSync(disk, { recursive: true })
  })
  const filler = join(disk, 'filler')
  writeFileSync(filler, Buffer.alloc(fillerBytes))
  return { dataDir: join(disk, 'data'), makeRoom: () => rmSync(filler) }
}

test('a batch that does not fit is refused as a whole, and mail goes on when there is room', async (context) => {
  const { dataDir, makeRoom } = smallDisk(context, 3_000_000)
  const { accept, all, store } = await openTestStore({ dataDir })
  const body = Buffer.alloc(200_000, 'x')
  const kept: number[] = []
  const refused: unknown[] = []
  while (refused.length === 0) {
    const batch = await Promise.allSettled(
      Array.from({ length: 4 }, () => accept(aMessage({ body }))),
    )
    for (const result of batch) {
      if (result.status === 'fulfilled') kept.push(result.value.id)
      else refused.push(result.reason)
    }
  }
  for (const error of refused) {
    expect(error).toBeInstanceOf(AppError)
    expect(error).toMatchObject({ code: 'STORE_FULL' })
  }
  expect(all<{ id: number }>('select id from messages order by id').map(({ id }) => id)).toEqual(
    kept,
  )
  expect(all('select message_id from bodies')).toHaveLength(kept.length)
  // One may still fit where four did not; then none does.
  let last: unknown
  while (last === undefined) {
    const [result] = await Promise.allSettled([accept(aMessage({ body }))])
    if (result.status === 'fulfilled') kept.push(result.value.id)
    else last = result.reason
  }
  expect(last).toMatchObject({ code: 'STORE_FULL' })
  await refusedWith('STORE_FULL', accept(aMessage({ body })))

  makeRoom()
  kept.push((await accept(aMessage({ body }))).id)
  await store.close()
  const again = await openTestStore({ dataDir })
  expect(
    again.all<{ id: number }>('select id from messages order by id').map(({ id }) => id),
  ).toEqual(kept)
  expect(again.all('pragma integrity_check')).toEqual([{ integrity_check: 'ok' }])
})

test('a spool file that does not fit is refused and leaves nothing behind', async (context) => {
  const { dataDir, makeRoom } = smallDisk(context, 5_000_000)
  const { store } = await openTestStore({ dataDir })
  const bodies = openBodies(store, { dataDir, cacheBytes: 0 })
  await refusedWith('STORE_FULL', bodies.spool(Buffer.alloc(4_000_000)))
  expect(await bodies.sweep(Infinity)).toEqual([])
  makeRoom()
  expect(await bodies.spool(Buffer.alloc(4_000_000))).toMatchObject({ size: 4_000_000 })
})
