import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { codeOf, GENEROUS, openWorld } from './support.ts'
import type { World } from './support.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

describe('reading', () => {
  const foreign = 'msg_00000000001'
  const rows: [url: string, status: number, code: string, why: string][] = [
    ['/v1/messages?limit=0', 400, 'BODY_INVALID', 'below the least'],
    ['/v1/messages?limit=501', 400, 'BODY_INVALID', 'above the most'],
    ['/v1/messages?limit=x', 400, 'BODY_INVALID', 'no number'],
    ['/v1/messages?limit=1&limit=2', 400, 'BODY_INVALID', 'given twice'],
    ['/v1/messages?state=lost', 400, 'BODY_INVALID', 'no such state'],
    ['/v1/messages?sandbox=maybe', 400, 'BODY_INVALID', 'neither true nor false'],
    ['/v1/messages?since=yesterday', 400, 'BODY_INVALID', 'no time'],
    ['/v1/messages?since=2026-02-31T00:00:00Z', 400, 'BODY_INVALID', 'no such day'],
    ['/v1/messages?to=x', 400, 'ADDRESS_INVALID', 'no address'],
    ['/v1/messages?colour=red', 400, 'FIELD_UNKNOWN', 'no such filter'],
    ['/v1/messages?__proto__=x', 400, 'FIELD_UNKNOWN', 'no such filter either'],
    ['/v1/messages?cursor=garbage', 400, 'CURSOR_INVALID', 'not ours'],
    ['/v1/messages?cursor=', 400, 'CURSOR_INVALID', 'empty'],
    [
      `/v1/messages?cursor=${Buffer.from('events:1').toString('base64url')}`,
      400,
      'CURSOR_INVALID',
      'of another list',
    ],
    [
      `/v1/events?cursor=${Buffer.from('messages:1').toString('base64url')}`,
      400,
      'CURSOR_INVALID',
      'of another list',
    ],
    ['/v1/messages/nonsense', 400, 'ID_INVALID', 'no id'],
    ['/v1/messages/dlv_00000000001', 400, 'ID_INVALID', 'an id of another kind'],
    [`/v1/messages/${foreign}?deliveriesAfter=x`, 400, 'ID_INVALID', 'no id in the query'],
    [`/v1/messages/${foreign}`, 404, 'NOT_FOUND', 'no such message'],
    [`/v1/messages/${foreign}/content`, 404, 'NOT_FOUND', 'no such message'],
    ['/v1/deliveries/dlv_00000000001', 404, 'NOT_FOUND', 'no such delivery'],
    ['/v1/deliveries/dlv_00000000001/explain', 404, 'NOT_FOUND', 'no such delivery'],
    ['/v1/nothing', 404, 'ROUTE_NOT_FOUND', 'no such path'],
    ['/v1/messages/x/y', 404, 'ROUTE_NOT_FOUND', 'deeper than anything'],
    [`/v1/messages/${'x'.repeat(2000)}`, 400, 'ID_INVALID', 'an endless id'],
    ['/v1/messages/%zz', 400, 'REQUEST_MALFORMED', 'a broken escape'],
  ]
  test.each(rows)('%s → %i %s: %s', async (url, status, code) => {
    const answer = await world.get(url)
    expect([answer.statusCode, codeOf(answer)]).toEqual([status, code])
  })

  test('a method that a path does not have is 405, and Allow names those it has', async () => {
    const answer = await world.app.inject({ method: 'DELETE', url: '/v1/messages?x=1' })
    expect([answer.statusCode, codeOf(answer)]).toEqual([405, 'METHOD_NOT_ALLOWED'])
    expect(answer.headers['allow']).toBe('POST, GET, HEAD')
  })

  test('a path that is not there is 404 whatever the body', async () => {
    for (const type of ['application/json', 'text/plain', 'message/rfc822']) {
      const answer = await world.post('/v1/nothing', '{', { 'content-type': type })
      expect([type, answer.statusCode, codeOf(answer)]).toEqual([type, 404, 'ROUTE_NOT_FOUND'])
    }
  })
})

describe('what breaks on our side', () => {
  test('is answered with INTERNAL and logged with its cause, without what the client sent', async () => {
    const fail = (): Promise<never> => Promise.reject(new Error('disk /secret/path is on fire'))
    const broken = await openWorld({
      reader: { messages: fail, message: fail, delivery: fail, events: fail },
    })
    const answer = await broken.get('/v1/messages?to=ada@dest.example')
    expect([answer.statusCode, codeOf(answer)]).toEqual([500, 'INTERNAL'])
    expect(answer.body).not.toContain('secret')
    const [line] = broken.log.of('http-error')
    expect(line).toMatchObject({
      level: 'error',
      fields: { route: '/v1/messages', err: { message: 'disk /secret/path is on fire' } },
    })
    expect(JSON.stringify(broken.log.lines)).not.toContain('ada@')
    await broken.close()
  })
})

describe('on the wire', () => {
  let port = 0
  beforeAll(async () => {
    await world.app.listen({ host: '127.0.0.1', port: 0 })
    port = (world.app.server.address() as AddressInfo).port
  })
  const talk = (bytes: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let heard = ''
      const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
      socket.setEncoding('utf8').on('data', (text: string) => (heard += text))
      socket.on('end', () => resolve(heard)).on('error', reject)
    })

  test.each([
    ['not HTTP', 'EHLO you\r\n\r\n', 400, 'REQUEST_MALFORMED'],
    [
      'headers without end',
      `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'REQUEST_MALFORMED',
    ],
  ])('%s', async (_why, bytes, status, code) => {
    const heard = await talk(bytes)
    expect(heard).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(heard).toContain('application/problem+json')
    expect(heard).toContain(`"code":"${code}"`)
  })

  test('a body longer than announced limits is cut off with 413', async () => {
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest({
        port,
        method: 'POST',
        path: '/v1/messages',
        headers: {
          authorization: `Bearer ${world.key}`,
          'content-type': 'application/json',
          'content-length': GENEROUS.bodyLimit + 1,
        },
      })
      request.on('response', (response) => resolve(response.statusCode)).on('error', reject)
      request.flushHeaders()
    })
    expect(status).toBe(413)
  })

  test('while it closes, what is under way is answered and the rest is refused with 503', async () => {
    let ready = (): void => undefined
    const asked = new Promise<void>((resolve) => (ready = resolve))
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    const closing = await openWorld({
      health: async () => {
        ready()
        await held
        return { ready: true, checks: [] }
      },
    })
    await closing.app.listen({ host: '127.0.0.1', port: 0 })
    const { port: open } = closing.app.server.address() as AddressInfo
    const heard = new Promise<string>((resolve, reject) => {
      let text = ''
      const socket = connect(open, '127.0.0.1', () =>
        socket.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n'),
      )
      socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      socket.on('end', () => resolve(text)).on('error', reject)
      void asked.then(async () => {
        const closed = closing.close()
        await new Promise((resolve) => setImmediate(resolve))
        socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
        await new Promise((resolve) => setTimeout(resolve, 50))
        release()
        await closed
      })
    })
    const text = await heard
    expect(text).toMatch(/^HTTP\/1.1 200 /)
    expect(text).toMatch(/HTTP\/1.1 503 [^]*"code":"SHUTTING_DOWN"/)
    expect(text).toMatch(/retry-after: 5/i)
  })
})
