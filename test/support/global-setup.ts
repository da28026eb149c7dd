import { spawnSync } from 'node:child_process'

/**
 * Threads and child processes run the built program, so it is built once before any test. A type error does not stop
 * the tests: the compiler writes its output all the same, and types are a step of their own.
 */
export default function setup(): void {
  spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], {
    stdio: 'inherit',
  })
}
