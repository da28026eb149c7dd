/** One timed stretch of work: how long it took, whose processor time it cost, and what others took meanwhile. */
import { availableParallelism } from 'node:os'
import { cpuSeconds, machineSeconds } from './machine.mjs'

/**
 * `part` is what is measured, `sink` where its mail goes; both have `cpu()`. The result's `cpu` has the seconds of both,
 * those of the part's main thread, and those of this process with the load tools it started. `others` is the share of
 * the machine that something else used: with more than a few per cent of it, rates are no longer a measure of us.
 */
export async function measure({ part, sink }, work) {
  const parts = { part, sink, mainThread: part.mainThread }
  const before = Object.entries(parts)
    .filter(([, one]) => one !== undefined)
    .map(([name, one]) => [name, one, one.cpu()])
  const ownBefore = cpuSeconds(process.pid)
  const machineBefore = machineSeconds()
  const startedAt = performance.now()
  const value = await work()
  const seconds = (performance.now() - startedAt) / 1000
  const cpu = Object.fromEntries(before.map(([name, part, was]) => [name, part.cpu() - was]))
  cpu.load = cpuSeconds(process.pid) - ownBefore
  const ours = cpu.part + (cpu.sink ?? 0) + cpu.load
  const others = (machineSeconds() - machineBefore - ours) / (seconds * availableParallelism())
  return { value, seconds, cpu, others: Math.max(0, others) }
}
