import { CassioError, CELL_STAMP_AT, type RepairCells, stampMs } from '@cassiopeia/protocol'
import { DIGEST_BYTES, DIGEST_LEAVES } from '@cassiopeia/storage'
import { compareEntries, type Difference, entryKey, splitEntries } from './entries'
import { REPAIR_BYTES_MAX } from './local-repair-peer'
import type { RepairPeer } from './repair-peer'

/** Times that what differs is compared again, after it was made equal, before giving up for now. */
const PASSES_MAX = 4
/** Partitions between which things are copied at a time. */
const COPIES_MAX = 8
/** Keys asked for in one call. */
const KEYS_MAX = 1_024

/** Another replica that takes part. */
export interface Participant {
  readonly name: string
  readonly peer: RepairPeer
}

export interface Blocker {
  readonly node: string
  readonly reason: string
}

/** What a session has to do, and the limits of it. */
export interface SessionPlan {
  readonly epoch: number
  /** Rising. */
  readonly partitions: readonly number[]
  /** The other replicas of each partition that take part, by index in `partitions`. */
  readonly others: readonly (readonly Participant[])[]
  /** All replicas of all partitions take part: what is found equal is proven. */
  readonly complete: boolean
  readonly cutoffMs: number
}

/** How it ended for one partition. */
export interface PartitionOutcome {
  readonly partition: number
  /** 'verified': all replicas were found equal, and know it. 'compared': those that took part were. */
  readonly state: 'verified' | 'compared' | 'blocked'
  readonly blockers: readonly Blocker[]
}

/** Told of what is going on, for counters and progress. */
export interface SessionWatch {
  onDiffered(partitions: number): void
  onCopied(cells: number, bytes: number): void
  /** For simulations: whether the news of a proof gets lost on its way. */
  losesCommit?(): boolean
}

interface Work {
  readonly partition: number
  readonly others: readonly Participant[]
  provenMs: number
}

/**
 * One comparison of some partitions between their replicas, led by this node. The steps, and why
 * they prove what they prove, are in docs/REPAIR.md:
 *
 * 1. `begin` raises the fence of every replica: nothing as old as the cutoff comes in from now on.
 * 2. `digests`: where roots are equal, so is everything up to the cutoff.
 * 3. Where they differ, the newest versions are copied in both directions, and 2 is repeated.
 * 4. `prepare`: fences and data are durable everywhere. 5. `commit`: everybody knows that it is proven.
 *
 * Only what was found equal without a copy between is proven. Without all replicas only 2 and 3 are
 * done. Whatever fails leaves facts that are true, and is tried again later.
 */
export class RepairSession {
  private readonly generations = new Map<Participant, number>()
  private readonly outcomes = new Map<number, PartitionOutcome>()

  constructor(
    private readonly own: Participant,
    private readonly plan: SessionPlan,
    private readonly watch: SessionWatch,
  ) {}

  /** @returns one for each partition of the plan. Never rejects for what a replica has done. */
  async run(): Promise<PartitionOutcome[]> {
    const { plan } = this
    let works: Work[] = plan.partitions.map((partition, i) => ({
      partition,
      others: plan.others[i]!,
      provenMs: 0,
    }))
    works = await this.begin(works)
    // A partition with one replica is equal everywhere.
    await this.agree(works.filter(({ others }) => others.length === 0))
    works = works.filter(({ others }) => others.length > 0)
    for (let pass = 0; pass < PASSES_MAX && works.length > 0; pass += 1) {
      const differing = await this.compare(works)
      const equal = works.filter((work) => !differing.has(work) && !this.isBlocked(work))
      await this.agree(equal)
      if (pass === 0) this.watch.onDiffered(differing.size)
      works = await this.copyAll(differing)
      if (!plan.complete && pass > 0) break
    }
    for (const work of works) {
      if (plan.complete)
        this.block(work, this.own, `replicas differed ${PASSES_MAX} times in a row`)
      else this.settle(work, 'compared')
    }
    return plan.partitions.map((partition) => this.outcomes.get(partition)!)
  }

  /** @returns what can go on. */
  private async begin(works: readonly Work[]): Promise<Work[]> {
    const { epoch, complete, cutoffMs } = this.plan
    await this.askAll(works, async (participant, mine) => {
      const partitions = mine.map(({ partition }) => partition)
      const call = { epoch, partitions, cutoffMs: complete ? cutoffMs : 0 }
      const { generation, provenMs } = await participant.peer.begin(call)
      this.generations.set(participant, generation)
      mine.forEach((work, i) => {
        work.provenMs = Math.max(work.provenMs, provenMs[i]!)
      })
    })
    return works.filter((work) => !this.isBlocked(work))
  }

  /** @returns for each partition that differs, from whom. */
  private async compare(works: readonly Work[]): Promise<Map<Work, Participant[]>> {
    const { epoch, cutoffMs } = this.plan
    const roots = new Map<Participant, Map<Work, Buffer>>()
    await this.askAll(works, async (participant, mine) => {
      const partitions = mine.map(({ partition }) => partition)
      const provenMs = mine.map((work) => work.provenMs)
      const call = { epoch, partitions, cutoffMs, provenMs }
      const digested = await participant.peer.digests(call)
      const of = new Map<Work, Buffer>()
      mine.forEach((work, i) => {
        of.set(work, digested.roots.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES))
        if (digested.damaged.includes(work.partition)) {
          this.block(work, participant, 'a damaged block lies in the partition')
        }
      })
      roots.set(participant, of)
    })
    const differing = new Map<Work, Participant[]>()
    for (const work of works) {
      if (this.isBlocked(work)) continue
      const mine = roots.get(this.own)!.get(work)!
      const from = work.others.filter((other) => !roots.get(other)!.get(work)!.equals(mine))
      if (from.length > 0) differing.set(work, from)
    }
    return differing
  }

  /** Makes differing partitions equal. @returns those to compare again. */
  private async copyAll(differing: ReadonlyMap<Work, readonly Participant[]>): Promise<Work[]> {
    const waiting = [...differing]
    const copyNext = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        await this.copyOne(...next)
      }
    }
    await Promise.all(Array.from({ length: COPIES_MAX }, copyNext))
    return [...differing.keys()].filter((work) => !this.isBlocked(work))
  }

  private async copyOne(work: Work, from: readonly Participant[]): Promise<void> {
    for (const other of from) {
      try {
        await this.copy(work, other)
      } catch (error) {
        this.block(work, other, (error as Error).message)
        return
      }
    }
  }

  /** Brings what this node and another replica hold together, and tells the others what was new here. */
  private async copy(work: Work, other: Participant): Promise<void> {
    const { epoch, cutoffMs } = this.plan
    const { partition, provenMs } = work
    const call = { epoch, partition, cutoffMs, provenMs }
    const leaves = differingLeaves(await this.own.peer.leaves(call), await other.peer.leaves(call))
    if (leaves === undefined) return
    let afterKey: Buffer | undefined
    do {
      const place = afterKey === undefined ? {} : { afterKey }
      const theirs = await other.peer.list({ ...call, leaves, ...place })
      const mine = await this.listOwn({ ...call, leaves, ...place }, theirs.until)
      const differences = compareEntries(mine, splitEntries(theirs.entries))
      await this.exchange(work, other, differences)
      afterKey = theirs.until
    } while (afterKey !== undefined)
  }

  /** This node's entries up to `until`, its key included; to the end without. */
  private async listOwn(
    call: Parameters<RepairPeer['list']>[0],
    until: Buffer | undefined,
  ): Promise<Buffer[]> {
    const entries: Buffer[] = []
    let place = call
    for (;;) {
      const page = await this.own.peer.list(place)
      for (const entry of splitEntries(page.entries)) {
        if (until !== undefined && Buffer.compare(entryKey(entry), until) > 0) return entries
        entries.push(entry)
      }
      if (page.until === undefined) return entries
      if (until !== undefined && Buffer.compare(page.until, until) >= 0) return entries
      place = { ...call, afterKey: page.until }
    }
  }

  private async exchange(
    work: Work,
    other: Participant,
    differences: readonly Difference[],
  ): Promise<void> {
    const wanted = differences.filter(({ pull }) => pull).map(({ key }) => key)
    // What was new here may be new to the third replica too.
    const thirds = work.others.filter((each) => each !== other)
    await this.transfer(work, other, [this.own, ...thirds], wanted)
    const lacking = differences.filter(({ push }) => push).map(({ key }) => key)
    await this.transfer(work, this.own, [other], lacking)
  }

  /** Copies the newest versions of keys from one replica to others. */
  private async transfer(
    { partition, provenMs }: Work,
    from: Participant,
    to: readonly Participant[],
    keys: readonly Buffer[],
  ): Promise<void> {
    const { epoch } = this.plan
    for (let at = 0; at < keys.length; ) {
      const asked = keys.slice(at, at + KEYS_MAX)
      const { cells, looked }: RepairCells = await from.peer.fetch({
        epoch,
        partition,
        keys: asked,
      })
      at += Math.min(looked, asked.length)
      const news = cells.filter((cell) => stampMs(cell, CELL_STAMP_AT) > provenMs)
      for (const batch of inBatches(news)) {
        await Promise.all(
          to.map((participant) => participant.peer.apply({ epoch, partition, cells: batch })),
        )
        this.watch.onCopied(batch.length, bytesOf(batch))
      }
    }
  }

  /** All replicas of these partitions were found equal. */
  private async agree(equal: readonly Work[]): Promise<void> {
    if (equal.length === 0) return
    if (!this.plan.complete) {
      for (const work of equal) this.settle(work, 'compared')
      return
    }
    const { epoch, cutoffMs } = this.plan
    const callFor = (mine: readonly Work[]) => ({
      epoch,
      cutoffMs,
      partitions: mine.map(({ partition }) => partition),
    })
    await this.askAll(equal, async (participant, mine) => {
      const generation = this.generations.get(participant)!
      const { prepared } = await participant.peer.prepare({ ...callFor(mine), generation })
      if (prepared) return
      for (const work of mine) this.block(work, participant, 'it was started anew meanwhile')
    })
    const prepared = equal.filter((work) => !this.isBlocked(work))
    for (const work of prepared) this.settle(work, 'verified')
    // Who misses this is told with the next comparison: it is a fact by now.
    await Promise.all(
      [...this.shares(prepared)].map(async ([participant, mine]) => {
        if (this.watch.losesCommit?.()) return
        await participant.peer.commit(callFor(mine)).catch(() => {})
      }),
    )
  }

  /** Asks this node and the others, each for its share; who fails blocks its partitions. */
  private async askAll(
    works: readonly Work[],
    ask: (participant: Participant, mine: readonly Work[]) => Promise<void>,
  ): Promise<void> {
    await Promise.all(
      [...this.shares(works)].map(async ([participant, mine]) => {
        try {
          await ask(participant, mine)
        } catch (error) {
          if (!(error instanceof CassioError)) throw error
          for (const work of mine) this.block(work, participant, error.message)
        }
      }),
    )
  }

  private shares(works: readonly Work[]): Map<Participant, Work[]> {
    const shares = new Map<Participant, Work[]>()
    for (const work of works) {
      for (const participant of [this.own, ...work.others]) {
        const share = shares.get(participant)
        if (share === undefined) shares.set(participant, [work])
        else share.push(work)
      }
    }
    return shares
  }

  private isBlocked({ partition }: Work): boolean {
    return this.outcomes.get(partition)?.state === 'blocked'
  }

  private block({ partition }: Work, { name }: Participant, reason: string): void {
    const blockers = this.outcomes.get(partition)?.blockers ?? []
    const known = blockers.some(({ node }) => node === name)
    const all = known ? blockers : [...blockers, { node: name, reason }]
    this.outcomes.set(partition, { partition, state: 'blocked', blockers: all })
  }

  private settle({ partition }: Work, state: PartitionOutcome['state']): void {
    this.outcomes.set(partition, { partition, state, blockers: [] })
  }
}

/** One bit for each leaf that differs; undefined when none does. */
function differingLeaves(a: Buffer, b: Buffer): Buffer | undefined {
  const bits = Buffer.alloc(DIGEST_LEAVES / 8)
  let any = false
  for (let leaf = 0; leaf < DIGEST_LEAVES; leaf += 1) {
    const at = leaf * DIGEST_BYTES
    if (a.compare(b, at, at + DIGEST_BYTES, at, at + DIGEST_BYTES) === 0) continue
    bits[leaf >>> 3]! |= 1 << (leaf & 7)
    any = true
  }
  return any ? bits : undefined
}

function* inBatches(cells: readonly Buffer[]): Generator<Buffer[]> {
  let batch: Buffer[] = []
  let bytes = 0
  for (const cell of cells) {
    if (batch.length > 0 && bytes + cell.length > REPAIR_BYTES_MAX) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(cell)
    bytes += cell.length
  }
  if (batch.length > 0) yield batch
}

function bytesOf(cells: readonly Buffer[]): number {
  return cells.reduce((sum, cell) => sum + cell.length, 0)
}
