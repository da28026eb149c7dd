/** Watches the free room of the data directory, so that mail is refused while there is still room to settle what was accepted. */
import { statfs } from 'node:fs/promises'
import type { Clock, Log, Timer } from '../core/ports.ts'

const LOOK_EVERY_MS = 1_000

export interface DiskGuard {
  /** Less than the configured room is left: accept nothing. */
  readonly isFull: boolean
  readonly freeBytes: number
  close(): void
}

export async function watchDisk(options: {
  dataDir: string
  minFreeBytes: number
  clock: Clock
  log: Log
}): Promise<DiskGuard> {
  const { clock, log } = options
  let freeBytes = Infinity
  let isFull = false
  let timer: Timer | undefined
  let closed = false

  async function look(): Promise<void> {
    const { bavail, bsize } = await statfs(options.dataDir)
    freeBytes = bavail * bsize
    const nowFull = freeBytes < options.minFreeBytes
    if (nowFull !== isFull) {
      if (nowFull) log.error({ freeBytes }, 'disk is full: no mail is accepted')
      else log.info({ freeBytes }, 'disk has room again: mail is accepted')
    }
    isFull = nowFull
  }
  function again(): void {
    if (closed) return
    timer = clock.after(LOOK_EVERY_MS, () => {
      look().then(again, (error: unknown) => {
        log.error({ err: error }, 'free room could not be read')
        again()
      })
    })
  }
  await look()
  again()
  return {
    get isFull() {
      return isFull
    },
    get freeBytes() {
      return freeBytes
    },
    close() {
      closed = true
      timer?.cancel()
    },
  }
}
