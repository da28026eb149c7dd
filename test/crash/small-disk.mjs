/**
 * A disk that is small enough to fill: a tmpfs, or an ext4 image over a loop device. Both need the right to mount,
 * which not every machine gives; then there is none.
 */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  openSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

const run = (program, ...words) => execFileSync(program, words, { stdio: 'pipe' })

const WAYS = [
  (point, bytes) => run('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'posthorn-crash', point),
  (point, bytes) => {
    const image = `${point}.ext4`
    closeSync(openSync(image, 'w'))
    truncateSync(image, bytes)
    // Blocks that only root may use would be room that the program does not have.
    run('mkfs.ext4', '-q', '-m', '0', image)
    run('mount', '-o', 'loop', image, point)
  },
]

/** Mounts a disk of `bytes` at `point`; undefined when this machine does not let us. */
export function mountSmallDisk(point, bytes) {
  mkdirSync(point, { recursive: true })
  const isMounted = WAYS.some((mount) => {
    try {
      mount(point, bytes)
      return true
    } catch {
      return false
    }
  })
  if (!isMounted) return undefined
  const ballast = join(point, 'ballast')

  function unmount() {
    process.off('exit', unmount)
    // Lazily: whoever still has a file open there was killed and is on its way out.
    run('umount', '-l', point)
  }
  // A run that is cut short must not leave a mount behind.
  process.once('exit', unmount)

  return {
    freeBytes() {
      const { bavail, bsize } = statfsSync(point)
      return bavail * bsize
    },
    /** Grows the ballast until only `leave` bytes are free. */
    fill(leave) {
      const piece = Buffer.alloc(256 * 1024)
      const file = openSync(ballast, 'a')
      try {
        for (let left = this.freeBytes() - leave; left > 0; left = this.freeBytes() - leave)
          writeSync(file, piece, 0, Math.min(left, piece.length))
      } catch (error) {
        if (error.code !== 'ENOSPC') throw error
      } finally {
        closeSync(file)
      }
    },
    empty: () => rmSync(ballast, { force: true }),
    unmount,
  }
}
