/**
 * Accepts mail from every way in: checks, prepares, and keeps it in one group commit before anybody is answered. It
 * asks no DNS and signs nothing; a lane that is already known is taken along, the rest is the router's work.
 */
import { AppError } from '../core/errors.ts'
import type { LaneId } from '../core/ids.ts'
import type { Clock, Random } from '../core/ports.ts'
import type { AcceptRequest, AcceptResult, NewMessage } from '../core/work.ts'
import type { Bodies } from '../store/body.ts'
import type { Writer } from '../store/writer.ts'
import type { Budget } from './budget.ts'
import type { Catalog } from './catalog.ts'
import type { DiskGuard } from './disk.ts'
import { fingerprintOf } from './fingerprint.ts'
import { makePrepare } from './prepare.ts'
import type { PrepareSettings, Prepared } from './prepare.ts'
import { overQuota } from './quota-charges.ts'
import type { QuotaWatch } from './quota-watch.ts'
import type { Routing } from './routing.ts'
import { checkMailFrom, parseRecipients } from './submit-checks.ts'
import type { RawSubmission, Submit, SubmitResult } from './submit-contract.ts'

export interface SubmitSettings extends PrepareSettings {
  readonly spoolOverBytes: number
}

export interface SubmitDeps {
  readonly writer: Pick<Writer, 'accept'>
  readonly bodies: Bodies
  readonly catalog: Catalog
  readonly routing: Pick<Routing, 'peek'>
  readonly budget: Budget
  /** Hears of each request that counted against a quota, or was over one. */
  readonly quotaWatch?: QuotaWatch | undefined
  readonly disk: DiskGuard
  readonly clock: Clock
  readonly random: Random
  readonly settings: SubmitSettings
  /** Something is due: a lane, or a domain that has none yet. */
  readonly wake: { lane(lane: LaneId): void; domain(domain: string): void }
  /** True while the program shuts down. */
  readonly isClosing: () => boolean
}

export function makeSubmit(deps: SubmitDeps): Submit {
  const { clock, settings } = deps
  const prepare = makePrepare(deps)

  /** Throws when nothing can be accepted at all. */
  function refuseWhenClosed(): void {
    if (deps.isClosing()) throw new AppError('SHUTTING_DOWN')
    if (deps.disk.isFull) throw new AppError('STORE_FULL')
  }

  async function keep(
    prepared: readonly Prepared[],
    idempotency: AcceptRequest['idempotency'],
  ): Promise<SubmitResult> {
    const spooled: string[] = []
    let result: AcceptResult | undefined
    try {
      const messages: NewMessage[] = []
      // One by one: when a file cannot be written, none is on its way that nobody would remove.
      for (const message of prepared) {
        if (message.body.length <= settings.spoolOverBytes) messages.push(message)
        else {
          const body = await deps.bodies.spool(message.body)
          spooled.push(body.spool)
          messages.push({ ...message, body })
        }
      }
      result = await deps.writer.accept({ messages, idempotency })
    } finally {
      // A file without its row would only wait for the sweep.
      if (result?.kind !== 'accepted')
        await Promise.all(spooled.map((name) => deps.bodies.unspool(name)))
    }
    if (prepared.some(({ quota }) => quota !== undefined)) deps.quotaWatch?.note(result)
    if (result.kind === 'key-reused') throw new AppError('IDEMPOTENCY_KEY_REUSED')
    if (result.kind === 'over-quota')
      throw overQuota(deps.catalog.current, prepared[0]!.tenant, result.refusal, clock.now())
    if (result.kind === 'accepted') wakeUp(prepared, result)
    return { replayed: result.kind === 'replayed', messages: result.messages }
  }

  function wakeUp(
    prepared: readonly Prepared[],
    result: Extract<AcceptResult, { messages: unknown }>,
  ): void {
    result.messages.forEach((message, i) => {
      const input = prepared[i]!
      if (input.sandbox) return
      deps.bodies.remember(message.id, input.body)
      message.deliveries.forEach((delivery, k) => {
        if (delivery.state !== 'queued') return
        if (delivery.lane === undefined) deps.wake.domain(input.recipients[k]!.domain)
        else deps.wake.lane(delivery.lane)
      })
    })
  }

  async function raw(submission: RawSubmission): Promise<SubmitResult> {
    refuseWhenClosed()
    const { principal, smtpUtf8 } = submission
    if (submission.raw.length > settings.maxMessageBytes) throw new AppError('MESSAGE_TOO_BIG')
    const recipients = parseRecipients(submission.recipients, {
      smtpUtf8,
      most: settings.maxRecipients,
    })
    checkMailFrom(submission.mailFrom, smtpUtf8)
    deps.budget.check(principal, recipients.length)
    const { message, idempotencyKey: key } = prepare.raw(submission, recipients)
    const idempotency =
      key === undefined ? undefined : { key, fingerprint: fingerprintOf(submission) }
    const result = await keep([message], idempotency)
    deps.budget.spend(principal, recipients.length)
    return result
  }

  return {
    raw,
    async built(principal, batch, idempotency) {
      refuseWhenClosed()
      const prepared: Prepared[] = []
      for (const submission of batch) {
        try {
          prepared.push(await prepare.built(principal, submission))
        } catch (error) {
          throw error instanceof AppError ? error.below(submission.path) : error
        }
      }
      return keep(prepared, idempotency)
    },
    checkBudget: (principal) => {
      deps.budget.check(principal, 1)
    },
  }
}
