/**
 * Attacks on whoever fetches what strangers name. Each has a control: the same request, unguarded, gets through, so a
 * guard that is gone is noticed.
 */
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { Fetched } from '../../../server/delivery/http/guarded.ts'
import { isPrivateAddress } from '../../../server/delivery/private-address.ts'
import { startWeb } from '../../support/web.ts'
import type { Web, WebOptions } from '../../support/web.ts'

const PUBLIC = '192.0.2.10'
const ZONES = {
  'good.test': { A: [PUBLIC] },
  'other.test': { A: ['192.0.2.11'] },
  'evil.test': { A: ['127.0.0.1'] },
}
const web = (options: WebOptions = {}): Promise<Web> =>
  startWeb({ ...options, zones: { ...ZONES, ...options.zones } })

const fault = (fetched: Fetched): unknown => (fetched.ok ? fetched.status : fetched.fault)
/** A busy machine takes its time. */
const SOON = { timeout: 10_000 }
const OPEN = { allowPrivateNetworks: true }

/** What a program does that has no guard: look up, connect, read on. */
async function unguarded(at: Web, url: string, ip?: string): Promise<IncomingMessage> {
  const { hostname, port, pathname, search } = new URL(url)
  const answer = await at.resolver.resolve(hostname, 'A')
  const host = ip ?? (answer.kind === 'found' ? answer.records[0]! : hostname)
  const socket = await at.dial({
    host,
    port: Number(port || 80),
    localAddress: undefined,
    timeoutMs: 1_000,
  })
  return new Promise((resolve, reject) => {
    httpRequest({
      createConnection: () => socket,
      path: pathname + search,
      headers: { host: hostname },
    })
      .on('response', resolve)
      .on('error', reject)
      .end()
  })
}
async function bodyOf(message: IncomingMessage, atMost = Infinity): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of message as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    if ((size += chunk.length) > atMost) break
  }
  return Buffer.concat(chunks)
}

describe('targets inside', () => {
  test.each([
    ['http://evil.test/', 'a name with a private address'],
    ['http://six.test/', 'a name with a private IPv6 address'],
    ['http://alias.test/', 'a name that is an alias of one'],
    ['http://metadata.test/latest/', 'a name with the address of a metadata service'],
    ['http://mapped.test/', 'a name with a mapped address'],
    ['http://nat64.test/', 'a name with a NAT64 address'],
    ['http://sixtofour.test/', 'a name with a 6to4 address'],
    ['http://localhost/', 'localhost'],
    ['http://LOCALHOST./', 'localhost with a dot'],
    ['http://127.0.0.1/', 'loopback'],
    ['http://127.1/', 'loopback, short'],
    ['http://0x7f.1/', 'loopback, hexadecimal'],
    ['http://0177.0.0.1/', 'loopback, octal'],
    ['http://2130706433/', 'loopback, decimal'],
    ['http://0x7f000001/', 'loopback, hexadecimal in one'],
    ['http://１２７.０.０.１/', 'loopback in full-width digits'],
    ['http://127%2e0%2e0%2e1/', 'loopback with escapes'],
    ['http://0/', 'unspecified, short'],
    ['http://[::]/', 'unspecified'],
    ['http://[::1]/', 'loopback, IPv6'],
    ['http://[::ffff:127.0.0.1]/', 'mapped loopback'],
    ['http://[::ffff:7f00:1]/', 'mapped loopback, hexadecimal'],
    ['http://[64:ff9b::127.0.0.1]/', 'NAT64 of loopback'],
    ['http://[2002:7f00:1::]/', '6to4 of loopback'],
    ['http://[fe80::1]/', 'link-local'],
    ['http://[fd00:ec2::254]/', 'metadata service, IPv6'],
    ['http://169.254.169.254/latest/meta-data/', 'metadata service'],
    ['http://100.64.0.1/', 'carrier NAT'],
    ['http://10.1.2.3/', 'RFC 1918'],
    ['http://224.0.0.1/', 'multicast'],
  ])('%s is refused before anything is dialled: %s', async (url) => {
    const at = await web({
      zones: {
        'six.test': { AAAA: ['::1'] },
        'alias.test': { CNAME: 'evil.test' },
        'metadata.test': { A: ['169.254.169.254'] },
        'mapped.test': { AAAA: ['::ffff:10.0.0.1'] },
        'nat64.test': { AAAA: ['64:ff9b::a00:1'] },
        'sixtofour.test': { AAAA: ['2002:a00:1::1'] },
      },
    })
    expect(fault(await at.fetch({ url, allowHttp: true }))).toBe('private-address')
    expect([at.dialled, at.hits]).toEqual([[], []])
    // Control.
    expect(fault(await at.fetch({ url, allowHttp: true }, OPEN))).toBe(200)
    expect(at.hits).toHaveLength(1)
  })

  test('of public and private addresses only the public ones are dialled', async () => {
    const zones = {
      'mixed.test': { A: ['10.0.0.1', PUBLIC, '127.0.0.1'], AAAA: ['::1', '2001:db8::1'] },
      'half.test': { A: ['10.0.0.1'], AAAA: ['2001:db8::1'] },
    }
    const at = await web({ zones })
    const dead: Web['dial'] = (request) => {
      at.dialled.push(request.host)
      return Promise.reject(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }))
    }
    const mixed = { url: 'http://mixed.test/', allowHttp: true }
    expect(fault(await at.fetch(mixed, { dial: dead }))).toBe('refused')
    expect(at.dialled).toEqual([PUBLIC, '2001:db8::1'])
    expect(fault(await at.fetch({ url: 'http://half.test/', allowHttp: true }))).toBe(200)
    expect(at.dialled.at(-1)).toBe('2001:db8::1:80')
    // Control.
    at.dialled.splice(0)
    await at.fetch(mixed, { ...OPEN, dial: dead })
    expect(at.dialled).toEqual(expect.arrayContaining(['10.0.0.1', '::1']))
  })

  test('a name that turns private after the check is dialled where it was checked', async () => {
    const rebinding = (at: { dns: Web['dns'] }) => ({
      get A() {
        return at.dns.count('rebind.test', 'A') <= 1 ? [PUBLIC] : ['127.0.0.1']
      },
      ttl: 0,
    })
    const at = await web()
    at.dns.zones = { ...at.dns.zones, 'rebind.test': rebinding(at) }
    const url = 'http://rebind.test/'
    expect(fault(await at.fetch({ url, allowHttp: true }))).toBe(200)
    expect(at.dialled).toEqual([`${PUBLIC}:80`])
    expect(at.dns.count('rebind.test', 'A')).toBe(1)

    // Control: a check and a connection that each look the name up.
    const naive = await web()
    naive.dns.zones = { ...naive.dns.zones, 'rebind.test': rebinding(naive) }
    const checked = await naive.resolver.resolve('rebind.test', 'A')
    expect(checked.kind === 'found' && checked.records.some(isPrivateAddress)).toBe(false)
    await unguarded(naive, url)
    expect(naive.dialled).toEqual(['127.0.0.1:80'])
  })
})

describe('redirects', () => {
  const to = (location: string, status = 302): WebOptions => ({
    answer: (request, response) => {
      if (request.url === '/start') response.writeHead(status, { location })
      response.end('body')
    },
  })
  test.each([
    ['http://evil.test/', 'a name'],
    ['http://127.0.0.1/', 'an address'],
    ['//evil.test/', 'without a scheme'],
    ['http://0x7f.1/', 'hexadecimal'],
    ['http://2130706433/', 'decimal'],
    ['http://0177.1/', 'octal'],
    ['http://[::ffff:127.0.0.1]/', 'mapped'],
    ['\\\\127.0.0.1\\', 'with backslashes'],
  ])('to %s are not followed inside: %s', async (location) => {
    const at = await web(to(location))
    const request = { url: 'http://good.test/start', allowHttp: true, redirects: 3 }
    expect(fault(await at.fetch(request))).toBe('private-address')
    expect(at.hits).toEqual(['http://good.test/start'])
    // Control.
    expect(fault(await at.fetch(request, OPEN))).toBe(200)
    expect(at.hits).toHaveLength(3)
  })

  test.each([
    ['http://other.test/', 'from https to http'],
    ['ftp://other.test/', 'another scheme'],
    ['http://user:secret@other.test/', 'with credentials'],
    ['https://other.test:22/', 'another port'],
    ['https://other.test/\nx', 'a line break that the parser would drop'],
    ['https://', 'no URL'],
  ])('to %j are not followed: %s', async (location) => {
    const at = await web({
      names: ['good.test', 'other.test'],
      answer: (_request, response) => {
        // A line break cannot be sent in a field, but a tab can, and the parser drops it as well.
        response.writeHead(302, { location: location.replace('\n', '\t') }).end()
      },
    })
    const request = { url: 'https://good.test/start', allowHttp: true, redirects: 3 }
    expect(fault(await at.fetch(request))).toBe('redirects')
    expect(at.hits).toEqual(['https://good.test/start'])
  })

  test('end after three, however many there are', async () => {
    const at = await web({
      answer: (request, response) => {
        const number = Number(request.url?.slice(1))
        if (number < 1_000) response.writeHead(302, { location: `/${number + 1}` })
        response.end('there')
      },
    })
    const request = { url: 'http://good.test/0', allowHttp: true }
    expect(fault(await at.fetch({ ...request, redirects: 1_000 }))).toBe('redirects')
    expect(at.hits).toHaveLength(4)
    // Not allowed: a response like any other.
    expect(fault(await at.fetch(request))).toBe(302)
    expect(
      fault(await at.fetch({ url: 'http://good.test/997', allowHttp: true, redirects: 3 })),
    ).toBe(200)
    // Control.
    let location: string | undefined = '/0'
    let hops = 0
    while (location !== undefined && hops <= 1_000) {
      const response = await unguarded(at, `http://good.test${location}`)
      response.resume()
      location = response.headers.location
      if (location !== undefined) hops++
    }
    expect(hops).toBe(1_000)
  })

  const HEADER = { authorization: 'Bearer secret', 'X-Key': 'secret', accept: 'text/plain' }
  test.each<[to: string, sent: (string | undefined)[], where: string]>([
    ['/next', ['secret', 'secret'], 'the same origin'],
    ['http://other.test/next', [undefined, undefined], 'another host'],
    ['https://good.test/next', [undefined, undefined], 'another scheme'],
  ])('to %s send %j along: %s', async (location, [authorization, key]) => {
    const at = await web(to(location))
    const request = { url: 'http://good.test/start', allowHttp: true, redirects: 1, header: HEADER }
    expect(fault(await at.fetch(request))).toBe(200)
    const { headers } = at.requests[1]!
    expect(headers.authorization).toBe(authorization && `Bearer ${authorization}`)
    expect(headers['x-key']).toBe(key)
    expect(headers.accept).toBe('text/plain')
  })

  test.each([
    [303, 'GET', ''],
    [302, 'GET', ''],
    [307, 'POST', 'form'],
    [308, 'POST', 'form'],
  ] as const)(
    'a POST that is answered with %d goes on as %s with %j',
    async (status, method, sent) => {
      let last = ''
      const at = await web({
        answer: (request, response, body) => {
          last = body.toString()
          if (request.url === '/start') response.writeHead(status, { location: '/next' })
          response.end()
        },
      })
      await at.fetch({
        url: 'http://good.test/start',
        allowHttp: true,
        redirects: 1,
        method: 'POST',
        body: Buffer.from('form'),
      })
      expect([at.requests[1]!.method, last]).toEqual([method, sent])
    },
  )
})

describe('responses without end', () => {
  const http = { url: 'http://good.test/', allowHttp: true }

  test('a body that drips is cut off when the time is over', async () => {
    const drip: WebOptions = {
      answer: (_request, response) => {
        const timer = setInterval(() => response.write('x'), 5)
        response.on('close', () => clearInterval(timer))
      },
    }
    const at = await web(drip)
    expect(fault(await at.fetch({ ...http, times: { totalMs: 150 } }))).toBe('timeout')
    // Control: without a limit one reads on and on.
    const message = await unguarded(at, http.url)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(message.complete).toBe(false)
    expect((await bodyOf(message, 50)).length).toBeGreaterThan(50)
  })

  test('a header that never ends, or never comes, is cut off', async () => {
    const at = await web({
      answer: (_request, response) => {
        const { socket } = response
        socket!.write('HTTP/1.1 200 OK\r\n')
        const timer = setInterval(() => socket!.write('X-Y: z\r\n'), 5)
        socket!.on('close', () => clearInterval(timer))
      },
    })
    expect(fault(await at.fetch({ ...http, times: { headerMs: 100 } }))).toBe('timeout')
    const mute = await web({ answer: () => undefined })
    expect(fault(await mute.fetch({ ...http, times: { headerMs: 100 } }))).toBe('timeout')
  })

  const LIMIT = 65_536
  test('an endless body is cut off at the limit', async () => {
    const at = await web({
      answer: (_request, response) => {
        const block = Buffer.alloc(16_384, 'x')
        const pour = (): void => {
          while (!response.destroyed && response.write(block));
        }
        response.on('drain', pour)
        pour()
      },
    })
    expect(fault(await at.fetch({ ...http, maxBytes: LIMIT }))).toBe('too-big')
    // Control.
    expect((await bodyOf(await unguarded(at, http.url), 20 * LIMIT)).length).toBeGreaterThan(
      20 * LIMIT,
    )
  })

  test.each<[size: number, expected: unknown, why: string]>([
    [LIMIT, 200, 'exactly what is allowed'],
    [LIMIT + 1, 'too-big', 'one more'],
  ])('a body of %d bytes: %s (%s)', async (size, expected) => {
    for (const announced of [true, false]) {
      const at = await web({
        answer: (_request, response) => {
          response.writeHead(200, announced ? { 'content-length': size } : {})
          response.end(Buffer.alloc(size))
        },
      })
      expect(fault(await at.fetch({ ...http, maxBytes: LIMIT }))).toBe(expected)
    }
  })

  test('a body that nobody wants is not read, however long and packed', async () => {
    const at = await web({
      answer: (_request, response) => {
        response.writeHead(202, { 'content-encoding': 'gzip', 'content-length': 1e12 }).write('x')
      },
    })
    const fetched = await at.fetch({ ...http, headOnly: true })
    expect(fetched).toMatchObject({ ok: true, status: 202, body: Buffer.alloc(0) })
  })

  test('a compressed body is refused unread, so that a small bomb does nothing', async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000))
    const at = await web({
      answer: (request, response) => {
        if (request.url === '/te') {
          response.writeHead(200, { 'transfer-encoding': 'gzip, chunked' })
        } else response.writeHead(200, { 'content-encoding': 'gzip' })
        response.end(bomb)
      },
    })
    expect(fault(await at.fetch({ ...http, maxBytes: LIMIT }))).toBe('encoded')
    expect(at.requests[0]!.headers['accept-encoding']).toBe('identity')
    expect(fault(await at.fetch({ url: `${http.url}te`, allowHttp: true }))).toBe('encoded')
    // Control: it fits the limit as it is, and is 150 times the limit once unpacked.
    const body = await bodyOf(await unguarded(at, http.url))
    expect(body.length).toBeLessThan(LIMIT)
    expect(gunzipSync(body).length).toBeGreaterThan(150 * LIMIT)
  })
})

describe('requests that say more than they should', () => {
  test.each([
    ['http://good.test/x\r\nX-Injected: yes', 'bad-url', 'a line break in the path'],
    ['http://good.test/x HTTP/1.1', 'bad-url', 'a space in the path'],
    ['http://good.test\r\n.evil.test/', 'bad-url', 'a line break in the name'],
    ['http://good.test/\tx', 'bad-url', 'a tab, which the parser would drop'],
    ['http://user:secret@good.test/', 'bad-url', 'credentials'],
    ['http://@good.test@evil.test/', 'bad-url', 'a name that is none'],
    ['http://good.test:25/', 'bad-url', 'a port of another protocol'],
    ['http://good.test:8080/', 'bad-url', 'a port that is not listed'],
    ['file:///etc/passwd', 'bad-url', 'a file'],
    ['gopher://good.test/', 'bad-url', 'another protocol'],
    ['good.test', 'bad-url', 'no URL'],
    ['', 'bad-url', 'nothing'],
    [`http://good.test/${'x'.repeat(3_000)}`, 'bad-url', 'too long'],
    ['http://*.good.test/', 'bad-url', 'a pattern'],
    ['http://nowhere.test/', 'dns', 'a name that does not exist'],
    [`http://${'a'.repeat(64)}.test/`, 'dns', 'a name that cannot exist'],
  ])('%j is refused as %s: %s', async (url, expected) => {
    const at = await web()
    expect(fault(await at.fetch({ url, allowHttp: true }))).toBe(expected)
    expect([at.dialled, at.hits]).toEqual([[], []])
  })

  test('http is refused unless it is allowed, and ports may be', async () => {
    const at = await web()
    expect(fault(await at.fetch({ url: 'http://good.test/' }))).toBe('bad-url')
    const request = { url: 'http://good.test:80/', allowHttp: true, ports: [443] }
    expect(fault(await at.fetch(request))).toBe('bad-url')
    expect(fault(await at.fetch({ ...request, ports: [80] }))).toBe(200)
  })

  test.each<[header: Record<string, string>, why: string]>([
    [{ 'x-note': 'a\r\nX-Injected: yes' }, 'a line break in a value'],
    [{ 'x-note': 'a\nX-Injected: yes' }, 'a bare LF in a value'],
    [{ 'x-note': 'a\0' }, 'a NUL'],
    [{ 'x-note': 'ä' }, 'not ASCII'],
    [{ 'x-note\r\nx-injected': 'yes' }, 'a line break in a name'],
    [{ 'x note': 'a' }, 'a space in a name'],
    [{ '': 'a' }, 'no name'],
    [{ Host: 'evil.test' }, 'another host'],
    [{ 'Content-Length': '5' }, 'another length'],
    [{ 'Transfer-Encoding': 'chunked' }, 'another framing'],
    [{ 'Accept-Encoding': 'gzip' }, 'a coding'],
    [{ 'x-note': 'a'.repeat(10_000) }, 'too long'],
  ])('%j is refused: %s', async (header) => {
    const at = await web()
    const request = { url: 'http://good.test/', allowHttp: true, header }
    expect(fault(await at.fetch(request))).toBe('bad-header')
    expect(at.dialled).toEqual([])
  })

  test('what is refused here would have been sent by string concatenation', async () => {
    const at = await web()
    const socket = await at.dial({
      host: PUBLIC,
      port: 80,
      localAddress: undefined,
      timeoutMs: 1_000,
    })
    socket.write(`GET / HTTP/1.1\r\nHost: good.test\r\nX-Note: a\r\nX-Injected: yes\r\n\r\n`)
    await new Promise((resolve) => socket.once('data', resolve))
    socket.destroy()
    expect(at.requests[0]!.headers['x-injected']).toBe('yes')
  })
})

describe('TLS', () => {
  test('names the host in SNI and Host, and takes a certificate that proves it', async () => {
    const at = await web()
    const fetched = await at.fetch({ url: 'https://GOOD.test/a?b=c', header: { 'X-Note': 'hi' } })
    expect(fetched.ok && fetched.body.toString()).toBe('here')
    expect(at.hits).toEqual(['https://good.test/a?b=c'])
    expect(at.dialled).toEqual([`${PUBLIC}:443`])
    expect((at.requests[0]!.socket as unknown as { servername: string }).servername).toBe(
      'good.test',
    )
    expect(at.requests[0]!.headers).toMatchObject({ 'x-note': 'hi', connection: 'close' })
  })

  test.each([
    ['another name', 'https://other.test/', {}],
    ['an address', `https://${PUBLIC}/`, {}],
    ['an unknown authority', 'https://good.test/', { trust: undefined }],
  ])('a certificate of %s sends nothing', async (_what, url, deps) => {
    const at = await web()
    expect(fault(await at.fetch({ url }, deps))).toBe('tls')
    expect(at.hits).toEqual([])
  })
})

describe('hosts that fail', () => {
  const http = { url: 'http://good.test/', allowHttp: true }
  test.each<[raw: string, expected: unknown, why: string]>([
    ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', 'lost', 'an end within the body'],
    ['', 'lost', 'nothing at all'],
    ['220 mx.test ESMTP\r\n', 'protocol', 'another protocol'],
    [`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`, 'protocol', 'an enormous header'],
    ['HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n', 'lost', 'an upgrade'],
    ['HTTP/1.1 200 OK\r\n\r\nto the end', 200, 'a body that ends with the connection'],
  ])('%j is %s: %s', async (raw, expected) => {
    const at = await web({ answer: (_request, response) => void response.socket!.end(raw) })
    expect(fault(await at.fetch(http))).toBe(expected)
  })

  test('a dial that hangs costs the time it may take and no more', async () => {
    const at = await web({ zones: { 'two.test': { A: [PUBLIC, '192.0.2.11'] } } })
    let dials = 0
    const hang = (): Promise<never> => {
      dials++
      return new Promise(() => undefined)
    }
    const request = { url: 'http://two.test/', allowHttp: true, times: { totalMs: 100 } }
    expect(fault(await at.fetch(request, { dial: hang }))).toBe('timeout')
    expect(dials).toBe(1)
  })

  test('a connection that stands too late is closed', async () => {
    const at = await web()
    let late: Awaited<ReturnType<Web['dial']>> | undefined
    const slow: Web['dial'] = async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 100))
      return (late = await at.dial(request))
    }
    expect(fault(await at.fetch({ ...http, times: { totalMs: 50 } }, { dial: slow }))).toBe(
      'timeout',
    )
    await expect.poll(() => late?.destroyed, SOON).toBe(true)
    expect(at.hits).toEqual([])
  })

  test('a name server that is silent is waited for no longer than allowed', async () => {
    const at = await web({ zones: { 'mute.test': 'TIMEOUT' } })
    const request = { url: 'http://mute.test/', allowHttp: true, times: { totalMs: 50 } }
    expect(fault(await at.fetch(request))).toBe('timeout')
    expect(fault(await at.fetch({ url: request.url, allowHttp: true }))).toBe('dns')
  })

  test('who gives up hears so at once', async () => {
    const at = await web({ answer: () => undefined })
    const giveUp = new AbortController()
    const fetching = at.fetch({ ...http, signal: giveUp.signal })
    await expect.poll(() => at.hits.length, SOON).toBe(1)
    giveUp.abort()
    expect(fault(await fetching)).toBe('closed')
    expect(fault(await at.fetch({ ...http, signal: giveUp.signal }))).toBe('closed')
    expect(at.dialled).toHaveLength(1)
  })
})
