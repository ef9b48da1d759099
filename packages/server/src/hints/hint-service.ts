import type { Clock, Disk, Logger, Random, Timer, Timers } from '@cassiopeia/env'
import type { HintStatus, ReplicaOutcome } from '@cassiopeia/protocol'
import type { Counters } from '../metrics'
import { HintCursor } from './hint-cursor'
import { isMemberId } from './hint-format'
import { HintLedger } from './hint-ledger'
import { HintLog, listIfThere } from './hint-log'
import { HintReplay } from './hint-replay'
import { HintTokens } from './hint-window'
import { HintWriter } from './hint-writer'
import type { HintOwner, HintSettings, Hints } from './hints'

/** How often, while there are hints, it is looked for what has become possible, late or old. */
const TICK_MS = 250

export interface HintServicePorts {
  readonly disk: Disk
  readonly timers: Timers
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** The hints for one member. */
interface Member {
  readonly id: string
  readonly log: HintLog
  readonly writer: HintWriter
  readonly replay: HintReplay
}

/**
 * Opens the hints that earlier processes have left, and begins to replay them.
 *
 * Neither damage nor a disk that fails keeps it from opening: it goes on with what it can read, looks
 * for the rest again from time to time, and tells of what is lost. The owner hears nothing before the
 * turn in which this resolves has ended.
 */
export async function openHints(
  settings: HintSettings,
  ports: HintServicePorts,
  owner: HintOwner,
  counters: Counters,
): Promise<Hints> {
  const service = new HintService(settings, ports, owner, counters)
  await service.open()
  return service
}

class HintService implements Hints {
  private readonly members = new Map<string, Member>()
  private readonly ledger: HintLedger
  private readonly tokens = new HintTokens()
  private ticker: Timer | undefined
  /** Members for whom there are hints are still to be found. */
  private mustDiscover = true
  /** To look for them has failed, and was logged. */
  private hasFailed = false
  private discovering: Promise<void> | undefined
  private closing: Promise<void> | undefined

  constructor(
    private readonly settings: HintSettings,
    private readonly ports: HintServicePorts,
    private readonly owner: HintOwner,
    counters: Counters,
  ) {
    const { clock, logger } = ports
    this.ledger = new HintLedger(settings.hintBytesMax, owner, counters, clock, logger)
  }

  get bytes(): number {
    return this.ledger.bytes
  }

  async open(): Promise<void> {
    await this.discover()
    this.armTick()
    this.ports.timers.soon(() => {
      this.ledger.open()
      this.wake()
    })
  }

  keep(memberId: string, partition: number, cell: Buffer, at: number): void {
    const member = this.members.get(memberId) ?? this.join(memberId)
    if (member === undefined) {
      this.ledger.onDropped(partition, 'the member id is not sound')
      return
    }
    member.writer.keep(partition, cell, at)
    if (this.ticker === undefined) this.armTick()
  }

  onAnswer(token: number, outcome: ReplicaOutcome): void {
    const hint = this.tokens.take(token)
    hint?.sender.onAnswer(hint, outcome)
  }

  onPeerLost(memberId: string): void {
    this.members.get(memberId)?.replay.onPeerLost()
  }

  wake(): void {
    for (const { replay } of this.members.values()) replay.wake()
  }

  status(): HintStatus {
    const nowMs = this.ports.clock.wallMs()
    const peers: { address: string; bytes: number }[] = []
    let oldestMs = 0
    for (const { id, log, writer, replay } of this.members.values()) {
      const bytes = log.bytes + writer.pendingBytes
      if (bytes === 0) continue
      peers.push({ address: this.owner.addressOf(id) ?? id, bytes })
      oldestMs = Math.max(oldestMs, nowMs - (replay.oldestMs ?? nowMs))
    }
    return { bytes: this.bytes, oldestMs, peers }
  }

  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  private async end(): Promise<void> {
    this.ticker?.cancel()
    this.ticker = undefined
    const members = [...this.members.values()]
    for (const { replay } of members) replay.close()
    await Promise.all(members.map(({ writer }) => writer.close()))
    await this.discovering
  }

  /** Never rejects. */
  private discover(): Promise<void> {
    this.discovering ??= this.lookAround().finally(() => {
      this.discovering = undefined
    })
    return this.discovering
  }

  private async lookAround(): Promise<void> {
    try {
      const names = await listIfThere(this.ports.disk, this.settings.directory)
      for (const name of names) if (!this.members.has(name)) this.join(name)
      for (const { log } of this.members.values()) await log.discover()
      this.mustDiscover = false
    } catch (error) {
      if (this.hasFailed) return
      this.hasFailed = true
      const { message: reason } = error as Error
      this.ports.logger.warn('hints cannot be read; they are looked for again', { reason })
    }
  }

  /** @returns undefined when the id may not be the name of a directory. */
  private join(id: string): Member | undefined {
    if (!isMemberId(id)) return undefined
    const { settings, ports, owner, ledger, tokens } = this
    const log = new HintLog(id, settings.directory, ports.disk, ledger)
    const writer = new HintWriter(log, ports, ledger, () => replay.pump())
    const cursor = new HintCursor(log, ports.disk, ledger)
    const { hintAgeMaxMs } = settings
    const parts = { log, writer, cursor, tokens, ledger, owner, ports, hintAgeMaxMs }
    const replay = new HintReplay(id, parts)
    const member: Member = { id, log, writer, replay }
    this.members.set(id, member)
    if (this.closing !== undefined) void writer.close()
    return member
  }

  private armTick(): void {
    if (this.closing !== undefined) return
    const isNeeded = this.mustDiscover || this.bytes > 0 || this.someLeftovers()
    if (isNeeded) this.ticker ??= this.ports.timers.after(TICK_MS, () => this.tick())
  }

  private tick(): void {
    this.ticker = undefined
    if (this.mustDiscover) void this.discover()
    for (const { log, replay } of this.members.values()) {
      log.retryRemovals()
      replay.tick()
    }
    this.armTick()
  }

  private someLeftovers(): boolean {
    for (const { log } of this.members.values()) if (log.hasLeftovers) return true
    return false
  }
}
