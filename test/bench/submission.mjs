/**
 * How many messages a second the SMTP layer takes, with a submit service that resolves at once.
 *   node test/bench/submission.mjs [dist] [port]     then, e.g.:
 *   smtp-source -d -s 20 -m 20000 -l 4096 -f a@example.com -t b@example.org 127.0.0.1:2599
 * It prints the rate of each second in which anything came.
 */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const [dist = 'dist', port = '2599', tls = 'none'] = process.argv.slice(2)
const load = (file) => import(pathToFileURL(resolve(dist, 'server', file)).href)
const { startSubmission, newSubmissionCounters } = await load('smtp/submission.js')
const { loadCertificate } = await load('smtp/certificate.js')
const { realClock, realRandom, realLog } = await load('ports.js')

const principal = {
  tenant: 1,
  credential: undefined,
  key: undefined,
  name: 'bench',
  scopes: ['messages:send'],
  mode: 'live',
  limits: {},
}
const counters = newSubmissionCounters()
let id = 0
await startSubmission({
  listeners: [{ host: '127.0.0.1', port: Number(port), tls, trustedNetworks: ['127.0.0.0/8'] }],
  certificate: await loadCertificate({
    dataDir: '/tmp',
    hostname: 'localhost',
    clock: realClock,
    files: undefined,
  }),
  hostname: 'bench.example',
  limits: {
    maxMessageSize: 25 * 1024 * 1024,
    maxRecipients: 1000,
    maxConnections: 500,
    maxConnectionsPerIp: 500,
    idleTimeoutMs: 300_000,
    spoolOver: 256 * 1024,
    maxBadCommands: 10,
  },
  credentialLimits: {},
  submit: {
    raw: () =>
      new Promise((done) =>
        setImmediate(done, { replayed: false, messages: [{ id: ++id, deliveries: [] }] }),
      ),
    built: () => Promise.reject(new Error('not here')),
    checkBudget: () => undefined,
  },
  auth: {
    key: () => principal,
    login: () => principal,
    isRevoked: () => false,
  },
  trustedPrincipal: () => principal,
  clock: realClock,
  random: realRandom,
  log: realLog('warn'),
  tempDir: '/tmp',
  counters,
})
console.log('ready')
let last = 0
let cpu = process.cpuUsage()
setInterval(() => {
  const count = counters.messages - last
  last = counters.messages
  const used = process.cpuUsage(cpu)
  cpu = process.cpuUsage()
  if (count > 0)
    console.log(
      `${count}/s, ${(((used.user + used.system) / count) | 0).toString()} us CPU each, refused ${counters.refused}`,
    )
}, 1000)
process.on('SIGTERM', () => process.exit(0))
