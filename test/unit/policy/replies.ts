/** Turns a reply as it is written in a table (`550 5.1.1 text`) into the outcome that the classifier is handed. */
import { expect } from 'vitest'
import type { Fault, Outcome, Reply, Stage } from '../../../server/core/outcome.ts'

export function parseReply(line: string): Reply {
  const match = /^(\d{3}) (?:([245]\.\d{1,3}\.\d{1,3}) )?(.*)$/.exec(line)
  expect(match, `not a reply: ${line}`).not.toBeNull()
  return { code: Number(match![1]), enhanced: match![2], text: match![3]! }
}

const EMPTY = {
  reply: undefined,
  fault: undefined,
  detail: undefined,
  host: undefined,
  ip: undefined,
  sourceIp: undefined,
  tls: undefined,
  startedAt: 0,
  endedAt: 0,
  transcript: '',
}

export const refused = (reply: string | Reply, stage: Stage = 'rcpt'): Outcome => ({
  ...EMPTY,
  kind: 'refused',
  stage,
  reply: typeof reply === 'string' ? parseReply(reply) : reply,
})

export const failed = (fault: Fault, stage: Stage): Outcome => ({
  ...EMPTY,
  kind: 'failed',
  stage,
  fault,
})

export const accepted: Outcome = { ...EMPTY, kind: 'accepted', stage: 'body' }
