/**
 * The peer: a private Postfix instance on loopback with a queue of its own on the same disk, set up to relay as fast
 * as it can. It never touches the system's instance.
 */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { cpuSeconds, parentOf } from './machine.mjs'
import { listening } from './smtp-tools.mjs'
import { freePort } from './util.mjs'

const POSTFIX = '/usr/sbin/postfix'

/** Why there is no peer, or undefined when there can be one. */
export function whyNoPostfix() {
  if (!existsSync(POSTFIX)) return 'Postfix is not installed'
  if (process.getuid() !== 0) return 'a private Postfix instance needs root'
  return undefined
}

export const postfixVersion = () =>
  execFileSync('/usr/sbin/postconf', ['-d', '-h', 'mail_version'], { encoding: 'utf8' }).trim()

/** What differs from Postfix's defaults, apart from names and paths: all of it makes it faster here. */
const TUNING = {
  default_process_limit: '100',
  default_destination_concurrency_limit: '50',
  initial_destination_concurrency: '50',
  // Otherwise it takes in no more than it gets rid of.
  in_flow_delay: '0',
  disable_dns_lookups: 'yes',
  smtpd_peername_lookup: 'no',
}

const MASTER = (port) => `
127.0.0.1:${port} inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
`

export async function startPostfix(folder, sinkPort) {
  const base = mkdtempSync(join(folder, 'postfix-'))
  chmodSync(base, 0o755)
  const config = join(base, 'config')
  const queue = join(base, 'queue')
  for (const name of ['config', 'queue', 'data']) mkdirSync(join(base, name))
  execFileSync('chown', ['postfix', join(base, 'data')])
  const port = await freePort()
  const settings = {
    compatibility_level: '3.6',
    queue_directory: queue,
    data_directory: join(base, 'data'),
    mail_owner: 'postfix',
    setgid_group: 'postdrop',
    maillog_file: join(base, 'maillog'),
    maillog_file_prefixes: base,
    myhostname: 'peer.test',
    mydestination: '',
    alias_maps: '',
    local_recipient_maps: '',
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    mynetworks: '127.0.0.0/8',
    relayhost: `[127.0.0.1]:${sinkPort}`,
    // It may keep its connections too.
    smtp_connection_cache_destinations: `[127.0.0.1]:${sinkPort}`,
    ...TUNING,
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`)
  writeFileSync(join(config, 'main.cf'), `${lines.join('\n')}\n`)
  writeFileSync(join(config, 'master.cf'), MASTER(port))
  const control = (verb) =>
    execFileSync(POSTFIX, ['-c', config, verb], { stdio: ['ignore', 'ignore', 'ignore'] })
  control('start')
  await listening(port, 'Postfix')
  const master = Number(readFileSync(join(queue, 'pid/master.pid'), 'utf8'))
  return {
    port,
    /** Its master, the children that run and those that are done. */
    cpu: () =>
      readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name) && parentOf(name) === master)
        .reduce((sum, pid) => sum + cpuSeconds(pid), cpuSeconds(master)),
    stop() {
      control('stop')
      rmSync(base, { recursive: true, force: true })
    },
  }
}

export const tuningText = () =>
  Object.entries(TUNING)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')
