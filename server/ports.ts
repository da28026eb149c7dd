/** The real doors to the outside: clock, random, dialer, log. Nothing else in the program opens one. */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { pino } from 'pino'
import type { Clock, Dialer, Log, LogFields, Ports, Random, Timer } from './core/ports.ts'

const MAX_TIMEOUT_MS = 2 ** 31 - 1

export const realClock: Clock = {
  now: () => Date.now(),
  after(ms, callback): Timer {
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), MAX_TIMEOUT_MS))
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve()
        return
      }
      const end = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, Math.min(Math.max(ms, 0), MAX_TIMEOUT_MS))
      signal?.addEventListener('abort', end)
    }),
}

export const realRandom: Random = {
  next: () => Math.random(),
  bytes: (length) => randomBytes(length),
}

export const realDialer: Dialer = ({ host, port, localAddress, timeoutMs }) =>
  new Promise<Socket>((resolve, reject) => {
    const socket = connect({
      host,
      port,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
    })
    const timer = setTimeout(() => {
      socket.destroy()
      reject(Object.assign(new Error('The connection timed out.'), { code: 'ETIMEDOUT' }))
    }, timeoutMs)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.removeAllListeners('error')
      resolve(socket)
    })
    socket.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
  })

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** File descriptors of a process. */
const STDERR = 2

/** JSON lines: on standard output for a server, on standard error for a command, whose output is its result. */
export function realLog(level: LogLevel, to: 'stdout' | 'stderr'): Log {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime }
  return wrap(to === 'stdout' ? pino(options) : pino(options, pino.destination(STDERR)))
}

const wrap = (log: pino.Logger): Log => ({
  debug: (fields, message) => log.debug(fields, message),
  info: (fields, message) => log.info(fields, message),
  warn: (fields, message) => log.warn(fields, message),
  error: (fields, message) => log.error(fields, message),
  child: (fields: LogFields) => wrap(log.child(fields)),
})

export const realPorts = (level: LogLevel, logTo: 'stdout' | 'stderr' = 'stdout'): Ports => ({
  clock: realClock,
  random: realRandom,
  log: realLog(level, logTo),
  dial: realDialer,
})
