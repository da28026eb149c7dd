/** Turns a leased delivery into the bytes and envelope of this one copy: Message-ID, return path, DKIM signatures. */
import type { LeasedDelivery } from '../../core/work.ts'
import { signMessage } from '../../delivery/dkim.ts'
import type { DkimKey } from '../../delivery/dkim-key.ts'
import { parseDkimKey } from '../../delivery/dkim-key.ts'
import { makeReturnPath } from '../../protocol/return-path.ts'
import { rewriteCopy } from '../../protocol/rewrite.ts'
import type { CatalogSnapshot, DomainRecord } from '../../store/catalog.ts'
import type { Seal } from '../auth/seal.ts'
import { verifiedDomain } from '../sender.ts'

/** What the return path's token is for; other numbers are for later voices (unsubscribe by mail). */
const BOUNCE = 0

export interface Copy {
  /** Envelope sender. */
  readonly mailFrom: string
  readonly content: readonly Buffer[]
  readonly size: number
}

export interface Renderer {
  render(
    delivery: LeasedDelivery,
    raw: Buffer,
    snapshot: CatalogSnapshot,
    now: number,
  ): Promise<Copy>
}

export interface ReturnPathSettings {
  /** Our bounce domain; undefined leaves the sender as submitted. */
  readonly domain: string | undefined
  readonly key: Buffer
}

export function makeRenderer(deps: { seal: Seal; returnPath: ReturnPathSettings }): Renderer {
  const keys = new WeakMap<DomainRecord, readonly DkimKey[]>()

  function keysOf(domain: DomainRecord): readonly DkimKey[] {
    const known = keys.get(domain)
    if (known !== undefined) return known
    const parsed = domain.dkim.map((key) =>
      parseDkimKey({
        domain: domain.name,
        selector: key.selector,
        pem: deps.seal.open(key.privateKey, 'dkim'),
      }),
    )
    keys.set(domain, parsed)
    return parsed
  }

  return {
    async render(delivery, raw, snapshot, now) {
      const mailFrom = returnPathOf(delivery, deps.returnPath, now)
      // Gmail counts copies with one Message-ID against the sender (its 421 4.7.28).
      const copies =
        delivery.copies > 1 && delivery.stream === 'bulk'
          ? rewriteCopy(raw, {
              messageId: `${delivery.id.toString(36)}.${delivery.messageIdHeader}`,
            })
          : [raw]
      const at = delivery.headerFrom.lastIndexOf('@')
      const sender = verifiedDomain(snapshot, delivery.tenant, delivery.headerFrom.slice(at + 1))
      const size = copies.reduce((sum, part) => sum + part.length, 0)
      if (sender === undefined || sender.dkim.length === 0)
        return { mailFrom, content: copies, size }
      // In one piece the body is hashed in one go.
      const whole = copies.length === 1 ? copies[0]! : copies
      const signatures = Buffer.from(await signMessage(whole, keysOf(sender), now), 'latin1')
      return { mailFrom, content: [signatures, ...copies], size: size + signatures.length }
    },
  }
}

function returnPathOf(delivery: LeasedDelivery, settings: ReturnPathSettings, now: number): string {
  const { domain, key } = settings
  // A null sender must stay null: a bounce of a bounce would loop (RFC 5321 §4.5.5).
  if (domain === undefined || delivery.mailFrom === '') return delivery.mailFrom
  return makeReturnPath({ delivery: delivery.id, kind: BOUNCE, generation: '1', key, domain, now })
}
