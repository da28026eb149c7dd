/**
 * Collects the body of one message while it arrives: in memory up to a size, beyond it in a temporary file, and not at
 * all once it is over the limit. Memory stays bounded however many clients send however large messages at a time.
 */
import { AppError } from '../core/errors.ts'
import type { Random } from '../core/ports.ts'
import { makeGate } from './gate.ts'
import { openTempFile } from './temp-file.ts'
import type { TempFile } from './temp-file.ts'

export interface Body {
  /** Bytes pushed so far, those not kept included. */
  readonly size: number
  /** Set while bytes are on their way to the file: wait for it before the next push. It never rejects. */
  readonly busy: Promise<void> | undefined
  push(bytes: Buffer): void
  /**
   * The whole body, valid until `release`. Rejects or throws with MESSAGE_TOO_BIG, STORE_FULL or STORE_UNAVAILABLE.
   * Waits its turn for a large body.
   */
  finish(): Buffer | Promise<Buffer>
  /** Lets go of memory and file; must be called, also when the client went away. Idempotent. */
  release(): void
}

export interface Bodies {
  /** `limit` in bytes. */
  start(limit: number): Body
  /** Bytes of memory that bodies hold at the moment. */
  readonly held: number
}

export interface BodiesOptions {
  /** Bytes of one body above which it goes to a file. */
  readonly spoolOver: number
  /** Bytes of all bodies together above which bodies go to files earlier. */
  readonly memory: number
  /** How many large bodies are read back into memory at a time. */
  readonly readBack: number
  readonly tempDir: string
  readonly random: Random
}

/** Below this a body stays in memory even when memory is short: a file would cost more. */
const SMALL = 16 * 1024
const EMPTY = Buffer.alloc(0)

export function makeBodies(options: BodiesOptions): Bodies {
  const gate = makeGate(options.readBack)
  let held = 0

  function start(limit: number): Body {
    let size = 0
    let memory: Buffer = EMPTY
    let used = 0
    let file: Promise<TempFile> | undefined
    let busy: Promise<void> | undefined
    let failure: Error | undefined
    let leave: (() => void) | undefined
    let released = false

    function push(bytes: Buffer): void {
      size += bytes.length
      if (failure !== undefined || released) return
      if (size > limit) {
        fail(new AppError('MESSAGE_TOO_BIG', { public: tooBig(limit) }))
      } else if (file !== undefined || isForFile()) {
        toFile(bytes)
      } else if (size === bytes.length) {
        // The usual message comes in one piece and is kept as it is.
        memory = bytes
        used = bytes.length
        held += bytes.length
      } else append(bytes)
    }

    const isForFile = (): boolean =>
      size > options.spoolOver || (size > SMALL && held + size > options.memory)

    /** Doubles, so that a message in many small pieces is copied a few times and not once per piece. */
    function append(bytes: Buffer): void {
      if (size > memory.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(size * 2, SMALL))
        memory.copy(larger, 0, 0, used)
        held += larger.length - memory.length
        memory = larger
      }
      used += bytes.copy(memory, used)
    }

    function toFile(bytes: Buffer): void {
      const pieces = used === 0 ? [bytes] : [memory.subarray(0, used), bytes]
      file ??= openTempFile(options.tempDir, options.random)
      busy = write(file, pieces).then(done, fail)
      // Still in memory until written, but no longer counted: one chunk per client is the floor anyway.
      dropMemory()
    }
    function done(): void {
      busy = undefined
    }
    function fail(error: unknown): void {
      busy = undefined
      failure = error instanceof Error ? error : new AppError('STORE_UNAVAILABLE', { cause: error })
      dropMemory()
      closeFile()
    }
    function dropMemory(): void {
      held -= memory.length
      memory = EMPTY
      used = 0
    }
    function closeFile(): void {
      const open = file
      file = undefined
      // A file that could not be opened has told so already, and one that does not close has no name to leave.
      open?.then((opened) => opened.close()).catch(() => undefined)
    }

    async function readBack(from: Promise<TempFile>): Promise<Buffer> {
      const opened = await from
      leave = await gate.enter()
      if (released) {
        leave()
        return EMPTY
      }
      try {
        return await opened.read()
      } finally {
        closeFile()
      }
    }

    return {
      get size() {
        return size
      },
      get busy() {
        return busy
      },
      push,
      finish() {
        if (failure !== undefined) throw failure
        return file === undefined ? memory.subarray(0, used) : readBack(file)
      },
      release() {
        if (released) return
        released = true
        dropMemory()
        closeFile()
        leave?.()
      },
    }
  }

  return {
    start,
    get held() {
      return held
    },
  }
}

async function write(file: Promise<TempFile>, pieces: readonly Buffer[]): Promise<void> {
  const opened = await file
  for (const piece of pieces) await opened.append(piece)
}

const tooBig = (limit: number): string => `The message is larger than ${limit} octets.`
