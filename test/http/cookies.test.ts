/** The cookies: how they are written, and that nothing planted is read. */
import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import {
  clearSessionCookie,
  deviceOf,
  sessionTokenOf,
  setDeviceCookie,
  setSessionCookie,
} from '../../server/http/cookies.ts'
import { bareApp } from './bare.ts'

const KEY = Buffer.alloc(32, 1)
const SESSION = 'S'.repeat(43)
const DEVICE = 'device_id-of-22letters'

async function site(): Promise<FastifyInstance> {
  const { app } = await bareApp((scope) => {
    scope.get('/in', (_request, reply) => {
      setSessionCookie(reply, SESSION, 30 * 86_400_000)
      setDeviceCookie(reply, DEVICE, KEY)
      return reply.send('')
    })
    scope.get('/out', (_request, reply) => {
      clearSessionCookie(reply)
      return reply.send('')
    })
    scope.get('/read', (request) => ({
      session: sessionTokenOf(request) ?? null,
      device: deviceOf(request, KEY) ?? null,
    }))
  })
  return app
}

const written = async (app: FastifyInstance, url: string): Promise<string[]> =>
  [(await app.inject(url)).headers['set-cookie'] ?? []].flat()
const read = async (cookie: string): Promise<unknown> =>
  (await (await site()).inject({ url: '/read', headers: { cookie } })).json()

test('both are for this host alone, over TLS, hidden from scripts and from other sites', async () => {
  const [session, device] = await written(await site(), '/in')
  const fences = 'Path=/; HttpOnly; Secure; SameSite=Strict'
  expect(session).toBe(`__Host-posthorn=${SESSION}; Max-Age=2592000; ${fences}`)
  expect(device).toMatch(/^__Host-posthorn-device=device_id-of-22letters\.[A-Za-z0-9+/]{43}; /)
  expect(device?.endsWith(`; Max-Age=34560000; ${fences}`)).toBe(true)
})

test('signing out takes the session away, and leaves the device', async () => {
  expect(await written(await site(), '/out')).toEqual([
    '__Host-posthorn=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict',
  ])
})

test('what is written is read back', async () => {
  const cookies = (await written(await site(), '/in')).map((one) => one.split(';')[0]!)
  expect(await read(cookies.join('; '))).toEqual({ session: SESSION, device: DEVICE })
  expect(await read(`a=1;${cookies.join(';')};b=2`)).toEqual({ session: SESSION, device: DEVICE })
})

describe('no session is', () => {
  test.each([
    ['', 'nothing'],
    [`posthorn=${SESSION}`, 'a name without the prefix'],
    [`x__Host-posthorn=${SESSION}`, 'a name that ends alike'],
    [`__host-posthorn=${SESSION}`, 'a name in another case, which browsers do not guard'],
    [`__Host-posthorn=${SESSION}; __Host-posthorn=${'T'.repeat(43)}`, 'one tossed in'],
    [`__Host-posthorn=${SESSION}; __Host-posthorn=${SESSION}`, 'the same twice'],
    [`__Host-posthorn=; __Host-posthorn=${SESSION}`, 'one beside an empty one'],
    ['__Host-posthorn=', 'an empty one'],
    [`__Host-posthorn="${SESSION}"`, 'one in quotes'],
    [`__Host-posthorn=${SESSION}%20`, 'an escape'],
    [`__Host-posthorn=${'S'.repeat(21)}`, 'too short'],
    [`__Host-posthorn=${'S'.repeat(129)}`, 'too long'],
    [`__Host-posthorn=${'S'.repeat(42)}é`, 'another alphabet'],
    [`__Host-posthorn-device=${SESSION}`, 'the other cookie'],
  ])('%j: %s', async (cookie) => {
    expect(await read(cookie)).toMatchObject({ session: null })
  })
})

describe('no device is', () => {
  test('one that somebody else signed, or nobody', async () => {
    const mark = (await written(await site(), '/in'))[1]!.split(';')[0]!
    expect(await read(mark)).toMatchObject({ device: DEVICE })
    const [name = '', signed = ''] = mark.split('=')
    const [id = '', mac = ''] = signed.split('.')
    const planted: [string, string][] = [
      [`${name}=${id}`, 'unsigned'],
      [`${name}=${'x'.repeat(22)}.${mac}`, 'another id under the same mark'],
      [`${name}=${id}.${'A'.repeat(43)}`, 'a mark of another key'],
      [`${name}=${id}.${mac}.${mac}`, 'marked twice'],
      [`${mark}; ${mark}`, 'there twice'],
    ]
    for (const [cookie, why] of planted)
      expect([why, await read(cookie)]).toMatchObject([why, { device: null }])
  })
})
