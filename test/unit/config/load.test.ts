import { describe, expect, test } from 'vitest'
import { loadConfig, type ConfigInput } from '../../../server/config/load.ts'
import { AppError } from '../../../server/core/errors.ts'

const NOTHING: ConfigInput = { file: undefined, env: {}, flags: {}, hostname: 'box.example' }
const file = (text: string) => ({ name: 'config.json', text })
const load = (part: Partial<ConfigInput>) => loadConfig({ ...NOTHING, ...part })

/** `path message` of everything that is wrong. */
function complaints(part: Partial<ConfigInput>): string[] {
  try {
    load(part)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    expect(error.code).toBe('CONFIG_INVALID')
    return error.fields.map(({ path, message }) => `${path} ${message}`)
  }
  return []
}

describe('without anything set', () => {
  const config = load({})
  test('durations are milliseconds and sizes bytes', () => {
    expect(config.submission.idleTimeout).toBe(300_000)
    expect(config.store.spoolOver).toBe(262_144)
    expect(config.delivery.retry.transactional.schedule.slice(0, 2)).toEqual([60_000, 120_000])
  })
  test('listeners are unprivileged and on loopback', () => {
    expect(config.http.listen).toEqual({ host: '127.0.0.1', port: 8080 })
    expect(config.submission.listeners).toEqual([
      { listen: { host: '127.0.0.1', port: 2525 }, tls: 'starttls', trustedNetworks: [] },
    ])
  })
  test('nothing reaches private networks, and what has no default is absent', () => {
    expect(config.delivery.allowPrivateNetworks).toBe(false)
    expect(config.redis).not.toHaveProperty('url')
  })
  test('the host name is that of the machine', () => {
    expect(config.hostname).toBe('box.example')
    expect(load({ hostname: 'not_a_name' }).hostname).toBe('localhost')
    expect(load({ file: file('{"hostname":"MX.example"}') }).hostname).toBe('mx.example')
    expect(load({ file: file('{"hostname":null}') }).hostname).toBe('box.example')
  })
})

describe('order', () => {
  const text = '{"log":{"level":"debug"},"dns":{"cacheEntries":100,"timeouts":["1 s"]}}'
  const env = { POSTHORN_LOG_LEVEL: 'warn', POSTHORN_DNS_CACHE_ENTRIES: '200' }
  test('a variable wins over the file, a flag over both, the rest stays', () => {
    const config = load({ file: file(text), env, flags: { 'log.level': 'error' } })
    expect(config.log.level).toBe('error')
    expect(config.dns).toMatchObject({ cacheEntries: 200, timeouts: [1000] })
  })
  test('an item of a list has the defaults of its fields', () => {
    const config = load({ file: file('{"submission":{"listeners":[{"listen":"0.0.0.0:587"}]}}') })
    expect(config.submission.listeners).toEqual([
      { listen: { host: '0.0.0.0', port: 587 }, tls: 'starttls', trustedNetworks: [] },
    ])
  })
})

describe('texts of variables and flags', () => {
  test.each([
    ['POSTHORN_DELIVERY_ALLOW_PRIVATE_NETWORKS', 'true', 'delivery.allowPrivateNetworks', true],
    ['POSTHORN_DELIVERY_RETRY_JITTER', '0.5', 'delivery.retry.jitter', 0.5],
    ['POSTHORN_ROLES', 'http, worker', 'roles', ['http', 'worker']],
    ['POSTHORN_ROLES', '["http"]', 'roles', ['http']],
    ['POSTHORN_HTTP_TRUSTED_PROXIES', '[]', 'http.trustedProxies', []],
    ['POSTHORN_DNS_SERVERS', '192.0.2.1:54', 'dns.servers', [{ host: '192.0.2.1', port: 54 }]],
    ['POSTHORN_SUBMISSION_LISTENERS', '[]', 'submission.listeners', []],
    [
      'POSTHORN_DELIVERY_RETRY_BULK_SCHEDULE',
      '1m, 2m',
      'delivery.retry.bulk.schedule',
      [60000, 120000],
    ],
    [
      'POSTHORN_SUBMISSION_PER_CREDENTIAL_MESSAGES_PER_HOUR',
      '9',
      'submission.perCredential.messagesPerHour',
      9,
    ],
  ])('%s=%s sets %s', (name, text, path, value) => {
    expect(load({ env: { [name]: text } })).toHaveProperty(path, value)
    expect(load({ flags: { [path]: text } })).toHaveProperty(path, value)
  })

  test('an empty variable is not set', () => {
    expect(load({ env: { POSTHORN_REDIS_URL: '' } }).redis).not.toHaveProperty('url')
  })

  test.each([
    ['POSTHORN_CONFIG', '/etc/posthorn.json', 'names the file'],
    ['POSTHORN_SERVICE_HOST', '10.0.0.1', 'made by Kubernetes for a service of that name'],
    ['POSTHORN_SERVICE_PORT_SMTP', '2525', 'the same'],
    ['POSTHORN_PORT', 'tcp://10.0.0.1:8080', 'the same'],
    ['POSTHORN_PORT_8080_TCP_ADDR', '10.0.0.1', 'the same'],
    ['HTTP_LISTEN', 'x', 'not ours'],
  ])('%s=%s is no setting and no error: %s', (name, text) => {
    expect(load({ env: { [name]: text } })).toEqual(load({}))
  })
})

describe('what is wrong is told', () => {
  test.each([
    ['{"htpp":{}}', 'htpp is not a setting (did you mean "http"?)', 'a section'],
    ['{"http":{"listn":"x"}}', 'http.listn is not a setting (did you mean "listen"?)', 'a field'],
    [
      '{"retention":{}}',
      'retention is not a setting (did you mean "store.retention"?)',
      'a field in the wrong place',
    ],
    [
      '{"__proto__":{"x":1}}',
      '__proto__ is not a setting',
      'a name that JavaScript treats specially',
    ],
    ['{"constructor":1}', 'constructor is not a setting', 'the same'],
    ['{"log":"debug"}', 'log must be an object with settings', 'a section that is a text'],
    [
      '{"log":{"level":"wran"}}',
      'log.level must be one of "debug", "info", "warn", "error", "silent" (did you mean "warn"?)',
      'a choice',
    ],
    [
      '{"delivery":{"allowPrivateNetworks":"yes"}}',
      'delivery.allowPrivateNetworks must be true or false',
      'a switch',
    ],
    [
      '{"delivery":{"port":1.5}}',
      'delivery.port must be a whole number from 1 to 65535',
      'a fraction',
    ],
    [
      '{"delivery":{"port":65536}}',
      'delivery.port must be a whole number from 1 to 65535',
      'too many',
    ],
    [
      '{"dns":{"timeouts":[30]}}',
      'dns.timeouts[0] must be a duration such as "250 ms", "30 s", "5 m", "2 h", "3 d"',
      'a number without unit',
    ],
    ['{"dns":{"timeouts":["1 ms"]}}', 'dns.timeouts[0] must be at least 50 ms', 'below the bound'],
    ['{"http":{"bodyLimit":"2 GiB"}}', 'http.bodyLimit must be at most 1 GiB', 'above the bound'],
    ['{"dataDir":""}', 'dataDir must be a text that is not empty', 'an empty path'],
    ['{"roles":[]}', 'roles must not be empty', 'a process without a role'],
    ['{"roles":"http"}', 'roles must be a list', 'a text in place of a list'],
    [
      '{"dns":{"servers":["192.0.2.1","x"]}}',
      'dns.servers[1] must be an IP address, with a port if it is not 53, such as "192.0.2.53:5353"',
      'an item',
    ],
    [
      '{"submission":{"listeners":[{"tsl":"none"}]}}',
      'submission.listeners[0].tsl is not a setting (did you mean "tls"?)',
      'a field of an item',
    ],
    [
      '{"submission":{"listeners":[{"trustedNetworks":["0.0.0.0/0"]}]}}',
      'submission.listeners[0].trustedNetworks[0] must be an address or network such as "10.0.0.0/8" (not one with prefix 0, which is everybody)',
      'an open relay',
    ],
    [
      '{"submission":{"certificate":"c.pem"}}',
      'submission.key must be set too: a certificate and its key go together',
      'half a pair',
    ],
    [
      '{"http":{"key":"k.pem"}}',
      'http.certificate must be set too: a certificate and its key go together',
      'the other half',
    ],
    [
      '{"http":{"corsOrigins":["*"]}}',
      'http.corsOrigins[0] must be one exact origin such as "https://app.example.com" (not "*": any page at all could then try keys, and use one it came by)',
      'every site',
    ],
    [
      '{"http":{"corsOrigins":["https://app.example.com/x"]}}',
      'http.corsOrigins[0] must be one exact origin such as "https://app.example.com" (not "*": any page at all could then try keys, and use one it came by)',
      'an origin with a path',
    ],
    [
      '{"http":{"listen":"127.0.0.1:2525"}}',
      'http.listen must differ: another listener has 127.0.0.1:2525',
      'two on one port',
    ],
    ['[]', 'config.json must be a JSON object', 'no object'],
  ])('%s: %s (%s)', (text, complaint) => {
    expect(complaints({ file: file(text) })).toEqual([complaint])
  })

  test.each([
    ['{\n  "log": {},\n  "dns" {}\n}', 'look at line 3, column 9', 'a colon is missing'],
    ['{"log": {},}', 'look at line 1, column 12', 'a comma too many'],
    ['{"log": tru}', 'look at line 1, column 12', 'a word that is none'],
    ['{"dataDir": "a\nb"}', 'look at line 2, column 0', 'a line break in a text'],
    ['{"redis": {"url": "redis://:secret@h"', 'it ends too early', 'a brace is missing'],
    ['{"dataDir": "x', 'it ends too early', 'a quote is missing'],
    ['', 'it ends too early', 'nothing'],
    ['\uFEFF{} x', 'look at line 1, column 4', 'something after the end, behind a byte order mark'],
    ['// no\n{}', 'look at line 1, column 1', 'a comment'],
  ])('%j is broken: %s (%s)', (text, place) => {
    expect(complaints({ file: file(text) })).toEqual([`config.json is not valid JSON: ${place}`])
  })

  test('a byte order mark and $schema are no mistakes', () => {
    expect(load({ file: file('\uFEFF{"$schema":"x"}') })).toEqual(load({}))
  })

  test('everything at once, with where it was set', () => {
    const env = {
      POSTHORN_HTP_LISTEN: 'x',
      POSTHORN_SUBMISSION_MAX_RECIPIENTS: 'many',
      POSTHORN_ROLES: 'http,x',
    }
    const flags = { 'log.levle': 'x', 'delivery.port': '0' }
    expect(complaints({ file: file('{"redis":{"url":"x"}}'), env, flags })).toEqual([
      'POSTHORN_HTP_LISTEN is not a setting (did you mean "POSTHORN_HTTP_LISTEN"?)',
      'log.levle is not a setting (did you mean "log.level"?)',
      'roles[1] must be one of "http", "submission", "worker" (set by POSTHORN_ROLES)',
      'submission.maxRecipients must be a whole number from 100 to 50000 (set by POSTHORN_SUBMISSION_MAX_RECIPIENTS)',
      'redis.url must be an address such as "redis://127.0.0.1:6379/0" (or "rediss://" for TLS)',
      'delivery.port must be a whole number from 1 to 65535 (set by --delivery.port)',
    ])
  })

  test('a variable does not hide a section that is no object', () => {
    const given = { file: file('{"log":3}'), env: { POSTHORN_LOG_LEVEL: 'info' } }
    expect(complaints(given)).toEqual(['log must be an object with settings'])
  })
})
