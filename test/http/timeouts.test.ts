/** Handlers that take too long, over real sockets: a body that has arrived is where other limits have ended. */
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { expect, test } from 'vitest'
import { signalOf } from '../../server/http/timeouts.ts'
import { manualClock } from '../support/clock.ts'
import { bareApp } from './bare.ts'
import type { BareOptions } from './bare.ts'

const LIMIT_MS = 30_000

async function listening(routes: (app: FastifyInstance) => void, options: BareOptions) {
  const { app, log } = await bareApp(routes, options)
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, log }
}

const post = async (url: string) => {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(url, { method: 'POST', headers, body: '{"a":1}' })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

/** A promise and its resolver. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open: () => open() }
}

test('gets 503, hears of it, and its late answer is dropped', async () => {
  const clock = manualClock()
  const [entered, finish] = [gate(), gate()]
  const heard: string[] = []
  const { url, log } = await listening(
    (app) => {
      app.post('/v1/slow', { config: { timeoutMs: 5000 } }, async (request) => {
        signalOf(request)?.addEventListener('abort', () => heard.push('aborted'))
        entered.open()
        await finish.opened
        heard.push('finished')
        return { late: true }
      })
      app.post('/v1/quick', async () => ({ quick: true }))
    },
    { clock, handlerTimeoutMs: LIMIT_MS },
  )
  const answer = post(`${url}/v1/slow`)
  await entered.opened
  await pause(20)
  await clock.advance(4999)
  expect(heard).toEqual([])
  await clock.advance(1)
  expect(await answer).toMatchObject({
    status: 503,
    body: { code: 'HANDLER_TIMEOUT', status: 503 },
  })
  expect(heard).toEqual(['aborted'])
  expect(log.of('http-slow').map(({ fields }) => fields)).toMatchObject([
    { route: '/v1/slow', ms: 5000 },
  ])
  finish.open()
  // The connection was kept: had the late answer gone out, it would be read as the answer to this.
  expect(await post(`${url}/v1/quick`)).toEqual({ status: 200, body: { quick: true } })
  expect(heard).toEqual(['aborted', 'finished'])
  expect(clock.pending()).toBe(0)
})

test('that throws after its time is not heard either', async () => {
  const clock = manualClock()
  const entered = gate()
  const { url, log } = await listening(
    (app) =>
      app.post('/v1/slow', async (request) => {
        const signal = signalOf(request)
        const aborted = new Promise<void>((resolve) =>
          signal?.addEventListener('abort', () => resolve()),
        )
        entered.open()
        await aborted
        throw new Error('was cut off')
      }),
    { clock, handlerTimeoutMs: LIMIT_MS },
  )
  const answer = post(`${url}/v1/slow`)
  await entered.opened
  await clock.advance(LIMIT_MS)
  expect((await answer).body['code']).toBe('HANDLER_TIMEOUT')
  await clock.settle()
  expect(JSON.stringify(log.lines)).not.toContain('was cut off')
})

test('that answers in time leaves no timer, and was not disturbed by its body', async () => {
  const clock = manualClock()
  const { url } = await listening(
    (app) =>
      app.post('/v1/fine', async (request) => {
        const signal = signalOf(request)
        await pause(30)
        return { aborted: signal?.aborted, waiting: clock.pending() }
      }),
    { clock, handlerTimeoutMs: LIMIT_MS },
  )
  expect(await post(`${url}/v1/fine`)).toEqual({
    status: 200,
    body: { aborted: false, waiting: 1 },
  })
  await clock.settle()
  expect(clock.pending()).toBe(0)
})

test('may stream for as long as it likes where the route says so', async () => {
  const clock = manualClock()
  const { url } = await listening(
    (app) =>
      app.post('/v1/stream', { config: { timeoutMs: 0 } }, async (request) => ({
        hasSignal: signalOf(request) !== undefined,
        waiting: clock.pending(),
      })),
    { clock, handlerTimeoutMs: LIMIT_MS },
  )
  expect((await post(`${url}/v1/stream`)).body).toEqual({ hasSignal: false, waiting: 0 })
})

test('that has begun to stream is not cut off', async () => {
  const clock = manualClock()
  const stream = new PassThrough()
  const { url } = await listening(
    (app) => app.get('/v1/export', (_request, reply) => reply.send(stream)),
    { clock, handlerTimeoutMs: LIMIT_MS },
  )
  stream.write('one\n')
  const answer = await fetch(`${url}/v1/export`)
  await clock.advance(2 * LIMIT_MS)
  stream.end('two\n')
  expect([answer.status, await answer.text()]).toEqual([200, 'one\ntwo\n'])
})

test('hears when the client goes away', async () => {
  const [entered, gone] = [gate(), gate()]
  const { url } = await listening(
    (app) =>
      app.get('/v1/wait', async (request) => {
        signalOf(request)?.addEventListener('abort', () => gone.open())
        entered.open()
        await gone.opened
        return {}
      }),
    { handlerTimeoutMs: LIMIT_MS },
  )
  const socket = connect(Number(new URL(url).port), '127.0.0.1', () =>
    socket.write('GET /v1/wait HTTP/1.1\r\nHost: x\r\n\r\n'),
  )
  await entered.opened
  socket.destroy()
  await gone.opened
})
