/**
 * The Redis side of the BullMQ engine. BullMQ ignores an id that exists, also while its job is active, so the wish
 * itself is kept in a hash of ours beside the BullMQ job that carries it. The scripts touch only our hashes; BullMQ's
 * keys are read, never written.
 *
 * Wish hash: `at` earliest wish in force · `fails` throws in a row · `floor` end of the back-off · `done` the run ended
 * with nothing left and the carrier is about to be removed.
 */
import type { Redis } from 'ioredis'

/** BullMQ keeps a delayed job under score = time × 4096 + a counter. */
const SCORE_PER_MS = 4096
/** BullMQ counts a delay from a moment of its own; a carrier this late is not worth moving. */
const TOLERANCE_MS = 10
/** A `done` mark outlives the removal of its carrier by far, and no longer. */
const DONE_TTL_MS = 60_000

/**
 * KEYS delayed, then (carrier, wish hash) per job; ARGV mode, then (job id, at) per job. Answers one text per job:
 * `+t` add a carrier for t · `-t` bring the delayed carrier forward to t · `!` ask again shortly · empty: nothing to do.
 * Mode `align` only compares carriers with wishes: run after the first answers were carried out, it mends what two
 * processes did to each other between their wish and their add.
 */
const WISH = `
local out = {}
for i = 1, (#ARGV - 1) / 2 do
  local carrier, wish = KEYS[2 * i], KEYS[2 * i + 1]
  local id, at = ARGV[2 * i], ARGV[2 * i + 1]
  local had = redis.call('HMGET', wish, 'at', 'floor', 'done')
  if had[2] and tonumber(at) < tonumber(had[2]) then at = had[2] end
  if had[1] and tonumber(had[1]) <= tonumber(at) then at = had[1] end
  out[i] = ''
  if redis.call('EXISTS', carrier) == 0 then
    if ARGV[1] == 'wish' then
      if had[3] then redis.call('DEL', wish) end
      redis.call('HSET', wish, 'at', at)
      out[i] = '+' .. at
    end
  elseif had[3] then
    if ARGV[1] == 'wish' then out[i] = '!' end
  else
    if at ~= had[1] and ARGV[1] == 'wish' then redis.call('HSET', wish, 'at', at) end
    local score = redis.call('ZSCORE', KEYS[1], id)
    local due = score and math.floor(tonumber(score) / ${SCORE_PER_MS})
    if due and tonumber(at) + ${TOLERANCE_MS} < due then out[i] = '-' .. at end
  end
end
return out`

/** KEYS wish hash. A run begins: every wish so far is granted by it. Answers the throws in a row before it. */
const BEGIN = `
redis.call('HDEL', KEYS[1], 'at', 'done')
return tonumber(redis.call('HGET', KEYS[1], 'fails') or '0')`

/**
 * KEYS wish hash; ARGV next wish or empty, end of the back-off or empty. A run ends: answers when the next one is due,
 * wishes that came meanwhile included, or empty.
 */
const FINISH = `
if ARGV[2] ~= '' then
  redis.call('HINCRBY', KEYS[1], 'fails', 1)
  redis.call('HSET', KEYS[1], 'at', ARGV[2], 'floor', ARGV[2])
  return ARGV[2]
end
local next = ARGV[1]
local at = redis.call('HGET', KEYS[1], 'at')
if at and (next == '' or tonumber(at) < tonumber(next)) then next = at end
redis.call('DEL', KEYS[1])
if next == '' then
  redis.call('HSET', KEYS[1], 'done', '1')
  redis.call('PEXPIRE', KEYS[1], ${DONE_TTL_MS})
else
  redis.call('HSET', KEYS[1], 'at', next)
end
return next`

/** What BullMQ calls its keys; `Queue.toKey` and `Worker.toKey`. */
export type ToKey = (name: string) => string

// A job id has no `:`, so a key that has one more cannot be a job's.
const wishKey = (toKey: ToKey, id: string): string => toKey(`wish:${id}`)

export interface WishRequest {
  readonly id: string
  /** Epoch ms, whole. */
  readonly at: number
}
export type WishAnswer =
  { readonly act: 'none' | 'ask-again' } | { readonly act: 'add' | 'hasten'; readonly at: number }

function readAnswer(text: string): WishAnswer {
  if (text === '') return { act: 'none' }
  if (text === '!') return { act: 'ask-again' }
  return { act: text.startsWith('+') ? 'add' : 'hasten', at: Number(text.slice(1)) }
}

/** ioredis adds scripts as methods that its types cannot know. */
type Scripted = Redis & {
  posthornWish(keys: number, ...args: readonly (string | number)[]): Promise<string[]>
  posthornBegin(key: string): Promise<number>
  posthornFinish(key: string, next: string, backoffUntil: string): Promise<string>
}

export interface WishScripts {
  /** One answer per request, in order. */
  wish(mode: 'wish' | 'align', requests: readonly WishRequest[]): Promise<WishAnswer[]>
  /** Resolves with the number of throws in a row before this run. */
  begin(id: string): Promise<number>
  /** Resolves with the time of the next run, or undefined. `backoffUntil` is for a run that threw. */
  finish(
    id: string,
    next: number | undefined,
    backoffUntil: number | undefined,
  ): Promise<number | undefined>
}

/** Defines the scripts on a client. Rejects as the client's commands do. */
export function wishScripts(redis: Redis, toKey: ToKey): WishScripts {
  redis.defineCommand('posthornWish', { lua: WISH })
  redis.defineCommand('posthornBegin', { lua: BEGIN, numberOfKeys: 1 })
  redis.defineCommand('posthornFinish', { lua: FINISH, numberOfKeys: 1 })
  const client = redis as Scripted // see Scripted
  return {
    async wish(mode, requests) {
      const keys = [toKey('delayed')]
      const args: (string | number)[] = [mode]
      for (const { id, at } of requests) {
        keys.push(toKey(id), wishKey(toKey, id))
        args.push(id, at)
      }
      const answers = await client.posthornWish(keys.length, ...keys, ...args)
      return answers.map(readAnswer)
    },
    begin: (id) => client.posthornBegin(wishKey(toKey, id)),
    async finish(id, next, backoffUntil) {
      const text = (at: number | undefined): string => (at === undefined ? '' : String(at))
      const due = await client.posthornFinish(wishKey(toKey, id), text(next), text(backoffUntil))
      return due === '' ? undefined : Number(due)
    },
  }
}
