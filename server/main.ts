#!/usr/bin/env node
/** The entry: hands argv, environment and disk to the command line, and turns signals into a drain. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { runCli } from './cli/run.ts'
import { COMMANDS } from './cli/registry.ts'
import { openCliServices } from './cli/open-services.ts'
import { realPorts } from './ports.ts'
import { serveCommand } from './serve.ts'
import { VERSION } from './version.ts'

const ports = realPorts('warn', 'stderr')
const code = await runCli(process.argv.slice(2), {
  io: {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
  },
  files: {
    read: (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined),
    write: (path, text) => writeFileSync(path, text),
  },
  ports,
  env: process.env,
  hostname: hostname(),
  version: VERSION,
  commands: [serveCommand, ...COMMANDS],
  openServices: (config) => openCliServices(config, ports, VERSION),
})
process.exitCode = process.exitCode ?? code
