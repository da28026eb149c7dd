import { execFileSync } from 'node:child_process'

/** Threads and child processes run the built program, so it is built once before any test. */
export default function setup(): void {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], {
    stdio: 'inherit',
  })
}
