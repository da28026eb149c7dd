/**
 * What the figures were measured on: processor, kernel, file system, versions; and how much processor time a process
 * took. Linux only: it reads /proc.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { join, resolve } from 'node:path'

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** Fields of /proc/<pid>/stat behind the command's name; undefined when the process is gone. */
function statOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

/** Processor seconds of a process, all its threads, and of the children it has waited for. */
export function cpuSeconds(pid) {
  const stat = statOf(pid)
  if (stat === undefined) return 0
  return (
    (Number(stat[11]) + Number(stat[12]) + Number(stat[13]) + Number(stat[14])) / TICKS_PER_SECOND
  )
}

/** Processor seconds of a process's main thread: where Node runs JavaScript, and so what bounds its rate. */
export function mainThreadSeconds(pid) {
  const stat = statOf(`${pid}/task/${pid}`)
  return stat === undefined ? 0 : (Number(stat[11]) + Number(stat[12])) / TICKS_PER_SECOND
}

export const parentOf = (pid) => Number(statOf(pid)?.[1] ?? 0)

/** Processor seconds that the whole machine has worked since it was started. */
export function machineSeconds() {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'latin1')
    .split('\n', 1)[0]
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND
}

/** Bytes in memory, now and at most. */
export function memoryOf(pid) {
  const text = readFileSync(`/proc/${pid}/status`, 'latin1')
  const kib = (field) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(text)?.[1] ?? 0)
  return { now: kib('VmRSS') * 1024, most: kib('VmHWM') * 1024 }
}

function fileSystemOf(folder) {
  const path = resolve(folder)
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, at]) => at === '/' || path === at || path.startsWith(`${at}/`))
    .sort((a, b) => b[1].length - a[1].length)
  const [device, , type] = mounts[0] ?? ['unknown', '', 'unknown']
  return `${type} on ${device.replace(/^\/dev\//, '')}`
}

/** Median ms of writing 4 KiB and waiting for it to be on disk: shows whether an fsync is one here. */
function fsyncMs(folder) {
  const file = join(folder, 'fsync-probe')
  const descriptor = openSync(file, 'w')
  const block = Buffer.alloc(4096, 1)
  const times = Array.from({ length: 200 }, () => {
    const startedAt = performance.now()
    writeSync(descriptor, block)
    fdatasyncSync(descriptor)
    return performance.now() - startedAt
  })
  closeSync(descriptor)
  rmSync(file)
  return times.sort((a, b) => a - b)[times.length >> 1]
}

function git(...args) {
  try {
    return execFileSync('git', args, { encoding: 'utf8', cwd: import.meta.dirname }).trim()
  } catch {
    return ''
  }
}

export function machineFacts(folder) {
  const changed = git('status', '--porcelain', '--', 'server', 'dns', 'warmup') !== ''
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: (git('rev-parse', '--short', 'HEAD') || 'unknown') + (changed ? ' with changes' : ''),
    processor: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} cores`,
    memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    kernel: `Linux ${release()}`,
    fileSystem: fileSystemOf(folder),
    fsync: `${fsyncMs(folder).toFixed(2)} ms for 4 KiB`,
    node: process.version,
  }
}
