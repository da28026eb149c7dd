// Another process of the BullMQ engine, from the built program: takes every lane job and never lets go of it.
// Arguments: Redis URL, prefix. Prints `run <key>` for each run.
import { bullmqJobs } from '../../dist/server/queue/bullmq.js'

const [, , url, prefix] = process.argv
const clock = {
  now: () => Date.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms)
    return { cancel: () => clearTimeout(timer) }
  },
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
}
const quiet = () => undefined
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => log }

const jobs = bullmqJobs({ url, prefix, clock, log, lockMs: 1_000 })
const hold = (job) => {
  process.stdout.write(`run ${job.key}\n`)
  return new Promise(() => undefined)
}
jobs.start({ lane: hold, route: async () => undefined }, { concurrency: 2 })
