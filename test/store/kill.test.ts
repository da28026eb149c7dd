/** Acknowledged means kept: a process killed in the middle of its commits loses nothing it had answered for. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openTestStore } from '../support/store.ts'

const CHILD = new URL('../support/writer-child.mjs', import.meta.url).pathname
const KILLS = 20

/** Lets the child accept until it has acknowledged `least` messages, kills it, and tells their ids. */
async function acceptAndKill(dataDir: string, least: number): Promise<number[]> {
  const child = spawn(process.execPath, [CHILD, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] })
  let printed = ''
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (text: Buffer) => {
      printed += text.toString()
      // At some moment of a commit: the count only says that there was something to lose.
      if (printed.split('\n').length > least) child.kill('SIGKILL')
    })
    child.on('close', () => resolve())
  })
  // A last line without its end was cut off with the process.
  return printed.split('\n').slice(0, -1).map(Number)
}

test(`nothing acknowledged is lost over ${KILLS} kills`, { timeout: 90_000 }, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'posthorn-kill-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  const acknowledged: number[] = []
  for (let i = 0; i < KILLS; i++) acknowledged.push(...(await acceptAndKill(dataDir, 1 + i * 13)))
  expect(acknowledged.length).toBeGreaterThan(KILLS * 100)

  const { all } = await openTestStore({ dataDir })
  expect(all('pragma integrity_check')).toEqual([{ integrity_check: 'ok' }])
  const whole = new Set(
    all<{ id: number }>(`select id from messages m
      where (select length(bytes) from bodies where message_id = m.id) = 4096
        and (select count(*) from deliveries where message_id = m.id) = 2
        and (select count(*) from events e join deliveries d on d.id = e.delivery_id
             where d.message_id = m.id and e.type = 'accepted') = 2
        and exists (select 1 from message_tags where message_id = m.id)`).map(({ id }) => id),
  )
  expect(acknowledged.filter((id) => !whole.has(id))).toEqual([])
  // What was committed but not answered is whole as well.
  expect(all('select id from messages')).toHaveLength(whole.size)
  expect(new Set(acknowledged).size).toBe(acknowledged.length)
})
