// A process that accepts mail until it is killed, from the built program. Argument: data directory.
// Prints the id of each message once its acceptance was acknowledged.
import { openStore } from '../../dist/server/store/open.js'

const [, , dataDir] = process.argv
const quiet = () => undefined
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => log }
const clock = {
  now: () => Date.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms)
    return { cancel: () => clearTimeout(timer) }
  },
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
}
const onFatal = (error) => {
  throw error
}
const { writer } = await openStore({
  dataDir,
  auditKey: Buffer.alloc(32, 5),
  cacheKiB: 4_096,
  clock,
  log,
  onFatal,
})

const message = {
  tenant: 1,
  stream: 'bulk',
  via: 'api',
  mailFrom: 'shop@a.test',
  headerFrom: 'shop@a.test',
  subject: 'x',
  messageIdHeader: 'x@a.test',
  tags: ['x'],
  metadata: {},
  expiresAt: Date.now() + 86_400_000,
  sandbox: false,
  smtpUtf8: false,
  body: Buffer.alloc(4_096, 'x'),
  recipients: [
    { address: 'a@ok.test', domain: 'ok.test' },
    { address: 'b@ok.test', domain: 'ok.test' },
  ],
}

async function acceptForEver() {
  for (;;) {
    const { messages } = await writer.accept({ messages: [message] })
    process.stdout.write(`${messages[0].id}\n`)
  }
}
await Promise.all(Array.from({ length: 20 }, acceptForEver))
