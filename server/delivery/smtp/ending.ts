/** How a conversation ended, before it is an Outcome: what was said, without the who and when. */
import type { Fault, Outcome, Reply, Stage, TlsFacts } from '../../core/outcome.ts'

export type Ending =
  | { readonly kind: 'accepted' | 'refused'; readonly stage: Stage; readonly reply: Reply }
  | {
      readonly kind: 'failed'
      readonly stage: Stage
      readonly fault: Fault
      readonly detail: string
    }

export interface Peer {
  readonly host: string | undefined
  readonly ip: string | undefined
  readonly sourceIp: string | undefined
  readonly tls: TlsFacts | undefined
}

export const refused = (stage: Stage, reply: Reply): Ending => ({ kind: 'refused', stage, reply })

export const failed = (stage: Stage, fault: Fault, detail: string): Ending => ({
  kind: 'failed',
  stage,
  fault,
  detail,
})

/** `startedAt`, `endedAt` epoch ms. */
export function toOutcome(
  ending: Ending,
  peer: Peer,
  times: { readonly startedAt: number; readonly endedAt: number },
  transcript: string,
): Outcome {
  const answered = ending.kind !== 'failed'
  return {
    kind: ending.kind,
    stage: ending.stage,
    // A copy without the lines of the parser: outcomes travel to other threads.
    reply: answered
      ? { code: ending.reply.code, enhanced: ending.reply.enhanced, text: ending.reply.text }
      : undefined,
    fault: answered ? undefined : ending.fault,
    detail: answered ? undefined : ending.detail,
    host: peer.host,
    ip: peer.ip,
    sourceIp: peer.sourceIp,
    tls: peer.tls,
    startedAt: times.startedAt,
    endedAt: times.endedAt,
    transcript,
  }
}
