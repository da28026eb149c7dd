/** The short form of `npm run test:crash`: a few kills and a full disk, with everything else as in the long one. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'

const CRASH = join(import.meta.dirname, 'crash.mjs')
/** Its exit code where the machine lacks what the run needs. */
const SKIPPED = 2

/** embedded, bullmq: killed with SIGKILL, with FLUSHALL in between. disk: runs full. */
test.concurrent.for(['embedded', 'bullmq', 'disk'])(
  'what was acknowledged under load is delivered: %s',
  { timeout: 240_000 },
  async (name, { skip, onTestFinished }) => {
    const child = spawn(process.execPath, [CRASH, '--short', '--only', name])
    onTestFinished(() => void child.kill())
    const ended = once(child, 'exit')
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
    const [code] = (await ended) as [number | null]
    console.log(out)
    if (code === SKIPPED) skip(out)
    expect({ code, err }).toEqual({ code: 0, err: '' })
  },
)
