/** Thin looks at the machine for `posthorn check`; what they mean is decided in judge-machine.ts. They change nothing. */
import { createSocket } from 'node:dgram'
import { accessSync, constants, existsSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { createServer, isIPv6 } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import type { DataDirFacts } from './judge-machine.ts'

/** Resolves with the error code of listening there for a moment; undefined when it was free. */
export function refusalToListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolvePromise) => {
    const server = createServer()
    server.once('error', (error) => resolvePromise(codeOf(error)))
    server.listen({ host, port, exclusive: true }, () => {
      server.close(() => resolvePromise(undefined))
    })
  })
}

const codeOf = (error: Error): string => ('code' in error ? String(error.code) : error.message)

const mayWrite = (path: string): boolean => {
  try {
    accessSync(path, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

export function lookAtDataDir(dataDir: string): DataDirFacts {
  const stat = statSync(dataDir, { throwIfNoEntry: false })
  if (stat === undefined)
    return { kind: 'missing', canBeMade: mayWrite(nearestFolder(resolve(dataDir))) }
  if (!stat.isDirectory()) return { kind: 'no-directory' }
  return { kind: 'there', mode: stat.mode & 0o777, writable: mayWrite(dataDir) }
}

/** The folder itself, or the closest one above that exists. */
const nearestFolder = (path: string): string =>
  existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path))

export function freeRoom(dataDir: string): number {
  const { bavail, bsize } = statfsSync(nearestFolder(resolve(dataDir)))
  return bavail * bsize
}

/** Permission bits of a file in the data directory; undefined when it is not there. */
export function modeOf(dataDir: string, name: string): number | undefined {
  const stat = statSync(join(dataDir, name), { throwIfNoEntry: false })
  return stat === undefined ? undefined : stat.mode & 0o777
}

/** Empty when it cannot be read, which then is no valid PEM. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** What keeps the clock right, as far as it leaves a trace. */
export function clockKeeper(): string | undefined {
  if (existsSync('/run/systemd/timesync/synchronized')) return 'systemd-timesyncd'
  return existsSync('/run/chrony/chronyd.pid') ? 'chrony' : undefined
}

/** The address the system would send from, by its routing table; no packet is sent. Undefined: there is no way out. */
export function outgoingAddress(): Promise<string | undefined> {
  return new Promise((resolvePromise) => {
    const socket = createSocket('udp4')
    const finish = (address: string | undefined): void => {
      socket.close()
      resolvePromise(address)
    }
    socket.once('error', () => finish(undefined))
    // RFC 5737: nobody is there.
    socket.connect(9, '192.0.2.1', () => finish(socket.address().address))
  })
}

/** Whether the system lets us bind to the address. */
export function canBind(ip: string): Promise<boolean> {
  return new Promise((resolvePromise) => {
    const socket = createSocket(isIPv6(ip) ? 'udp6' : 'udp4')
    const finish = (bound: boolean): void => {
      socket.close()
      resolvePromise(bound)
    }
    socket.once('error', () => finish(false))
    socket.bind({ port: 0, address: ip, exclusive: true }, () => finish(true))
  })
}
