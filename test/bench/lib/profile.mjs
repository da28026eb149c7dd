/**
 * Where the time goes, from the profiles that `node --cpu-prof` wrote: one per thread, summed by part of the program,
 * and the functions that took most themselves. It is time on the clock: waiting inside a call counts.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Time in which a thread waited, which is no work. */
const IDLE = new Set(['(idle)', '(root)'])

function partOf({ url, functionName }) {
  if (functionName === '(garbage collector)') return 'garbage collection'
  if (url === '')
    return functionName === '(program)' ? 'Node, native' : 'native calls (SQLite, crypto, sockets)'
  if (url.startsWith('node:')) return 'Node, JavaScript'
  const library = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(
    url.replace(/.*node_modules\/\.cache\//, ''),
  )
  if (library !== null) return library[1]
  const ours = /\/(?:server|dns)\/([^/]+(?:\/hot|\/lane|\/auth|\/smtp)?)/.exec(url)
  if (ours === null) return url
  // The profiler counts SQLite and its wait for the disk with the function that called it.
  return ours[1] === 'store/hot' ? 'SQLite, the fsync, our code around them' : `ours: ${ours[1]}`
}

const nameOf = ({ url, functionName, lineNumber }) => {
  const name = functionName === '' ? '(anonymous)' : functionName
  if (url === '') return name
  const place = url.replace(/.*\/(server|dns|node_modules)\//, '$1/')
  return `${name} ${place}:${lineNumber + 1}`
}

function readProfile(file) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'))
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const parts = new Map()
  const functions = new Map()
  let busy = 0
  samples.forEach((id, i) => {
    const frame = frames.get(id)
    if (IDLE.has(frame.functionName)) return
    busy += timeDeltas[i]
    const part = partOf(frame)
    parts.set(part, (parts.get(part) ?? 0) + timeDeltas[i])
    const name = nameOf(frame)
    functions.set(name, (functions.get(name) ?? 0) + timeDeltas[i])
  })
  const isWriter = nodes.some(({ callFrame }) => callFrame.url.endsWith('store/hot/thread.js'))
  const ranked = (times) =>
    [...times].sort((a, b) => b[1] - a[1]).map(([name, time]) => ({ name, share: time / busy }))
  return {
    thread: isWriter ? 'writer thread' : 'main thread',
    seconds: busy / 1e6,
    parts: ranked(parts),
    functions: ranked(functions),
  }
}

/** Per thread: busy seconds, shares by part and by function, largest first. */
export const summarise = (folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.cpuprofile'))
    .map((name) => readProfile(join(folder, name)))
    .sort((a, b) => b.seconds - a.seconds)
