/**
 * One lane at work. The owner of a lane leases due deliveries as fast as its limits allow, keeps its connections
 * busy with them, and settles in batches. Ownership is fenced by a token: a worker that lost it stops at once.
 */
import { AppError } from '../../core/errors.ts'
import type { LaneId } from '../../core/ids.ts'
import { encodeId } from '../../core/ids.ts'
import type { LaneLimits } from '../../core/lane.ts'
import type { Outcome } from '../../core/outcome.ts'
import type { Clock, Log, Random } from '../../core/ports.ts'
import type { HotWriter, LeasedDelivery, Settlement, Stream } from '../../core/work.ts'
import type { Opened } from '../../delivery/smtp/connection.ts'
import { paceFrom, paceText, take } from '../../policy/pace.ts'
import type { JobContext } from '../../queue/jobs.ts'
import type { LaneRecord } from '../../store/catalog.ts'
import type { Metrics } from '../metrics.ts'
import { makeBell } from './bell.ts'
import { makeDeadHosts } from './dead-hosts.ts'
import { tellDoubts } from './doubts.ts'
import { makeHand } from './hand.ts'
import type { DomainHosts, Hosts } from './hosts.ts'
import { expiredUntried, putBack, settlementOf } from './judge.ts'
import type { Copy } from './render.ts'
import { makeSender } from './sender.ts'
import type { Sender } from './sender.ts'
import { NO_ROOM_MS, isStoreFull, makeSettler } from './settler.ts'

export interface LaneSettings {
  readonly lingerMs: number
  /** Other processes accept mail for our lanes and cannot poke them: look for it. */
  readonly isShared: boolean
  readonly schedules: Readonly<Record<Stream, readonly number[]>>
  readonly jitter: number
}

export interface LaneDeps {
  readonly writer: HotWriter
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
  readonly settings: LaneSettings
  limitsOf(lane: LaneRecord): LaneLimits
  hostsOf(lane: LaneRecord): Hosts
  open(lane: LaneRecord, hosts: DomainHosts, limits: LaneLimits): Promise<Opened>
  copyOf(delivery: LeasedDelivery): Promise<Copy | undefined>
  /** Deliveries of the domain wait without a lane again. */
  wakeRouter(domain: string, at: number): void
}

/** Ownership outlives a stalled event loop, and a crash costs no more than this. */
const OWN_MS = 10_000
const HEARTBEAT_MS = 3_000
/** How long mail from another process waits at most for an owner that has room. */
const LOOK_MS = 200
/** Deliveries in hand per connection: enough that none waits for the writer. */
const IN_HAND_PER_CONNECTION = 8
const MAX_IN_HAND = 400
/** How long a host's word that it takes no more connections counts. */
const CAP_MS = 60_000
/** When a delivery that we failed at is looked at again. */
const BROKEN_MS = 5 * 60_000
const MIN_IN_HAND = 16
/** Until the router looks, what moved has been given back. */
const REROUTE_MS = 1_000
const UNLIMITED = { messages: Infinity, perMs: 1_000 }

export interface LaneRun {
  /** Something became due. */
  poke(): void
  /** A poke that no lease has answered: it came while the run was ending. */
  readonly isPoked: boolean
  /** Resolves with when to be woken again. */
  readonly finished: Promise<number | undefined>
}

export function runLane(lane: LaneRecord, context: JobContext, deps: LaneDeps): LaneRun {
  const run = new Run(lane, context, deps)
  return {
    poke: run.poke,
    get isPoked() {
      return run.isPoked
    },
    finished: run.run(),
  }
}

class Run {
  readonly #lane: LaneRecord
  readonly #context: JobContext
  readonly #deps: LaneDeps
  readonly #token: string
  readonly #bell
  readonly #hand = makeHand()
  readonly #hosts: Hosts
  readonly #senders = new Set<Sender>()
  readonly #resting: Sender[] = []
  #working = 0
  readonly #settler
  #limits: LaneLimits
  #pace = ''
  #poked = true
  /** More is due than there is room for: ring when there is. */
  #hungry = false
  #lost = false
  /** A host refused more connections than these for now. */
  #cap = { connections: Infinity, until: 0 }
  readonly #dead = makeDeadHosts()
  /** Of what waits, as the last lease saw it. */
  #nextDueAt: number | undefined
  /** Of what was put off since that lease was asked for. */
  #retryAt: number | undefined

  constructor(lane: LaneRecord, context: JobContext, deps: LaneDeps) {
    this.#lane = lane
    this.#context = context
    this.#deps = deps
    this.#token = deps.random.bytes(12).toString('hex')
    this.#bell = makeBell(deps.clock)
    this.#hosts = deps.hostsOf(lane)
    this.#limits = deps.limitsOf(lane)
    this.#settler = makeSettler({
      writer: deps.writer,
      clock: deps.clock,
      log: deps.log,
      lane: lane.id,
      token: this.#token,
      lost: () => (this.#lost = true),
    })
  }

  get isPoked(): boolean {
    return this.#poked
  }

  readonly poke = (): void => {
    this.#poked = true
    this.#bell.ring()
  }

  async run(): Promise<number | undefined> {
    const { writer, clock } = this.#deps
    const lane = this.#lane.id
    const now = clock.now()
    const request = { lane, token: this.#token, now, ownedUntil: now + OWN_MS }
    const claim = await writer.claim(request).catch((error: unknown) => {
      if (!isStoreFull(error)) throw error
      return { kind: 'no-room', until: now + NO_ROOM_MS } as const
    })
    // Whatever came meanwhile waits for the same moment.
    if (claim.kind !== 'claimed') this.#poked = false
    switch (claim.kind) {
      case 'unknown':
        return undefined
      case 'owned-by-other':
      case 'suspended':
      case 'no-room':
        return claim.until
      case 'claimed':
        this.#pace = claim.pace
        tellDoubts(lane, claim.inDoubt, this.#deps)
    }
    this.#context.signal.addEventListener('abort', this.poke)
    try {
      if (claim.inDoubt.length > 0) await this.#settler.recover()
      await this.#work()
    } finally {
      this.#context.signal.removeEventListener('abort', this.poke)
      await this.#end()
    }
    return this.#lost ? clock.now() + HEARTBEAT_MS : this.#dueAt()
  }

  async #work(): Promise<void> {
    const { clock, settings } = this.#deps
    const lookMs = settings.isShared ? LOOK_MS : HEARTBEAT_MS
    let idleSince = clock.now()
    let extendedAt = clock.now()
    while (!this.#context.signal.aborted && !this.#lost) {
      const now = clock.now()
      this.#limits = this.#deps.limitsOf(this.#lane)
      let wakeIn = lookMs
      const isWanted =
        this.#poked || (this.#dueAt() ?? Infinity) <= now || now - extendedAt >= lookMs
      const hasRoom = this.#hand.size < this.#target() / 2
      if (now - extendedAt >= HEARTBEAT_MS || (isWanted && hasRoom)) {
        await this.#lease(now)
        extendedAt = now
        this.#hungry = false
      } else this.#hungry = isWanted
      if (!this.#hungry)
        wakeIn = Math.min(wakeIn, Math.max(0, (this.#dueAt() ?? Infinity) - clock.now()))
      this.#staff()
      if (this.#working > 0 || this.#hand.size > 0) idleSince = clock.now()
      else if (!this.#poked) {
        const idleMs = clock.now() - idleSince
        if (idleMs >= settings.lingerMs || this.#context.crowded()) return
        wakeIn = Math.min(wakeIn, settings.lingerMs - idleMs)
      }
      await this.#bell.wait(wakeIn)
    }
  }

  #dueAt(): number | undefined {
    if (this.#retryAt === undefined) return this.#nextDueAt
    return Math.min(this.#retryAt, this.#nextDueAt ?? Infinity)
  }

  #target(): number {
    return Math.min(MAX_IN_HAND, Math.max(MIN_IN_HAND, this.#slots() * IN_HAND_PER_CONNECTION))
  }

  /** Connections that may be open now. */
  #slots(): number {
    const isCapped = this.#cap.until > this.#deps.clock.now()
    return isCapped
      ? Math.min(this.#limits.connections, this.#cap.connections)
      : this.#limits.connections
  }

  /** Extends the ownership and takes what room and pacing grant. */
  async #lease(now: number): Promise<void> {
    const before = paceFrom(this.#pace)
    const want = Math.max(0, this.#target() - this.#hand.size)
    const grant = take(before, this.#limits.rate ?? UNLIMITED, now, want)
    this.#poked = false
    // What was put off until now is written first, so that the lease sees it.
    this.#settler.flush()
    this.#retryAt = undefined
    let lease
    try {
      lease = await this.#deps.writer.lease({
        lane: this.#lane.id,
        token: this.#token,
        now,
        ownedUntil: now + OWN_MS,
        limit: grant.granted,
        pace: paceText(grant.state),
      })
    } catch (error) {
      if (error instanceof AppError && error.code === 'LEASE_LOST') this.#lost = true
      else if (isStoreFull(error)) this.#retryAt = now + NO_ROOM_MS
      else throw error
      return
    }
    const count = lease.deliveries.length
    // What was granted but not there to be sent is not spent.
    const spent =
      count === grant.granted ? grant : take(before, this.#limits.rate ?? UNLIMITED, now, count)
    this.#pace = paceText(spent.state)
    for (const delivery of lease.deliveries) this.#hand.add(delivery)
    this.#nextDueAt = lease.nextDueAt
    if (count === want) this.#poked = true
    else if (count === grant.granted && lease.nextDueAt !== undefined && lease.nextDueAt <= now)
      this.#nextDueAt = Math.max(now + 1, grant.nextAt)
  }

  /** Sets as many senders to work as there is mail for, within the limit; lets surplus ones go. */
  #staff(): void {
    while (this.#senders.size > this.#slots() && this.#resting.length > 0) {
      const surplus = this.#resting.pop()!
      this.#senders.delete(surplus)
      surplus.close().catch((error: unknown) => this.#report(error))
    }
    let hands = Math.min(this.#hand.size, this.#slots() - this.#working)
    while (hands-- > 0) {
      const sender = this.#resting.pop() ?? this.#hire()
      this.#working++
      sender
        .run()
        .catch((error: unknown) => this.#report(error))
        .finally(() => this.#rest(sender))
    }
  }

  #rest(sender: Sender): void {
    this.#working--
    this.#resting.push(sender)
    this.#bell.ring()
  }

  #report(error: unknown): void {
    this.#deps.log.error({ err: error, lane: encodeId('lane', this.#lane.id) }, 'sender failed')
  }

  /** A fault of ours: the delivery waits, and a person can find it by its reason. */
  #broken(delivery: LeasedDelivery, error: unknown): void {
    const fields = { err: error, delivery: encodeId('delivery', delivery.id) }
    this.#deps.log.error(fields, 'a delivery could not be tried')
    this.#settle(putBack(delivery, 'internal-error', this.#deps.clock.now() + BROKEN_MS))
  }

  #hire(): Sender {
    const { clock } = this.#deps
    const sender = makeSender({
      hosts: this.#hosts,
      now: () => clock.now(),
      take: (preferred) => this.#take(preferred),
      copyOf: (delivery) => this.#deps.copyOf(delivery),
      open: (hosts) => this.#deps.open(this.#lane, hosts, this.#limits),
      mayReuse: (connection) =>
        connection.usable && connection.messages < this.#limits.messagesPerConnection,
      done: (delivery, outcome) => this.#done(delivery, outcome),
      unreachable: (delivery, outcome, hosts) => this.#unreachable(delivery, outcome, hosts),
      moved: (delivery) => this.#moved(delivery),
      spare: (delivery, hosts) => this.#spare(delivery, hosts),
      broken: (delivery, error) => this.#broken(delivery, error),
    })
    this.#senders.add(sender)
    return sender
  }

  #take(preferred: ReadonlySet<string> | undefined): LeasedDelivery | undefined {
    for (;;) {
      if (this.#context.signal.aborted || this.#lost) return undefined
      // One over the limit (it was lowered, or the host said so): this slot closes.
      if (this.#working > this.#slots()) return undefined
      const delivery = this.#hand.take(preferred)
      if (this.#hungry && this.#hand.size < this.#target() / 4) this.#bell.ring()
      if (delivery === undefined || delivery.expiresAt > this.#deps.clock.now()) return delivery
      this.#settle(expiredUntried(delivery))
    }
  }

  #done(delivery: LeasedDelivery, outcome: Outcome | undefined): void {
    const now = this.#deps.clock.now()
    if (outcome === undefined) {
      this.#deps.log.error(
        { delivery: encodeId('delivery', delivery.id) },
        'the content of a waiting delivery is gone',
      )
      this.#settle({ ...expiredUntried(delivery), reason: 'internal-error' })
      return
    }
    const settlement = settlementOf(delivery, outcome, {
      provider: this.#provider(),
      now,
      random: this.#deps.random,
      schedules: this.#deps.settings.schedules,
      jitter: this.#deps.settings.jitter,
    })
    this.#deps.metrics.attempt(settlement, delivery)
    this.#settle(settlement)
  }

  #unreachable(delivery: LeasedDelivery, outcome: Outcome, hosts: DomainHosts): void {
    const now = this.#deps.clock.now()
    const others = [...this.#senders].filter((sender) => sender.site === hosts.site).length
    // A certificate does not get better by waiting for a slot.
    const isTls = outcome.fault === 'tls-required' || outcome.fault === 'tls-handshake'
    if (others > 0 && !isTls) {
      // The host takes some connections but not one more: that is its limit, not an outage.
      this.#cap = { connections: Math.max(others, this.#working - 1), until: now + CAP_MS }
      this.#settle(putBack(delivery, 'host-unreachable', now + 1_000))
      return
    }
    this.#dead.mark(hosts.fate, now)
    this.#done(delivery, outcome)
  }

  #moved(delivery: LeasedDelivery): void {
    const now = this.#deps.clock.now()
    this.#settle(putBack(delivery, 'rerouted', now))
    this.#deps.wakeRouter(delivery.domain, now + REROUTE_MS)
  }

  #spare(delivery: LeasedDelivery, hosts: DomainHosts): boolean {
    const until = this.#dead.until(hosts.fate, this.#deps.clock.now())
    if (until === undefined) return false
    this.#settle(putBack(delivery, 'host-unreachable', until))
    return true
  }

  #provider(): string | undefined {
    const { target } = this.#lane
    return target.kind === 'mx' ? target.provider : undefined
  }

  #settle(settlement: Settlement): void {
    const { nextAt } = settlement
    if (nextAt !== undefined) this.#retryAt = Math.min(nextAt, this.#retryAt ?? Infinity)
    this.#settler.add(settlement)
  }

  /** Finishes what is on the wire, gives the rest back, says goodbye, lets go of the lane. */
  async #end(): Promise<void> {
    const now = this.#deps.clock.now()
    // Also when the lane was lost: each settlement is fenced by its own lease.
    for (const rest of this.#hand.takeAll()) this.#settle(putBack(rest, 'lane-released', now))
    while (this.#working > 0) await this.#bell.wait(1_000)
    await Promise.all([...this.#senders].map((sender) => sender.close()))
    await this.#settler.idle()
    if (!this.#lost) await this.#settler.release(this.#pace)
  }
}

export const laneJobKey = (lane: LaneId): string => encodeId('lane', lane)
