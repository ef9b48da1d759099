import { KeyedRandom, type SimProcess, Simulation } from '@cassiopeia/env'
import { partitionOf } from '@cassiopeia/placement'
import {
  CassioError,
  CELL_STAMP_AT,
  compareStamps,
  isTombstone,
  keyHash,
  WriteMode,
} from '@cassiopeia/protocol'
import type { Stamper } from '../../src/coordinator/stamper'
import { Counters } from '../../src/metrics'
import { Fences } from '../../src/repair/fences'
import { LocalRepairPeer } from '../../src/repair/local-repair-peer'
import { PartitionDigests } from '../../src/repair/partition-digests'
import type { RepairPeer } from '../../src/repair/repair-peer'
import { type Participant, RepairSession } from '../../src/repair/repair-session'
import { RepairState } from '../../src/repair/repair-state'
import { LocalReplica } from '../../src/replica/local-replica'
import { makeCell } from './cells'
import { hashOf, ModelStore } from './model-store'

const BITS = 10
const REPLICAS = 3
const LAG_MS = 60
const RUN_MS = 4_000
const EPOCH_MS = Date.UTC(2025, 0, 1)
const PARTITION = partitionOf(keyHash(Buffer.from('k'), 0, 1), BITS)

/** Keys of one partition. */
const KEYS = (() => {
  const keys: string[] = []
  for (let i = 0; keys.length < 12; i += 1) {
    const key = Buffer.from(`k${i}`)
    if (partitionOf(keyHash(key, 0, key.length), BITS) === PARTITION) keys.push(key.toString())
  }
  return keys
})()

/** One replica, through its crashes. */
class Replica {
  generation = 0
  readonly counters = new Counters()
  local!: LocalReplica
  /** Undefined while it is down. */
  peer: LocalRepairPeer | undefined
  /** Rejects when it dies. */
  death!: Promise<never>
  private die!: (error: CassioError) => void
  private store: ModelStore | undefined
  private readonly cells = new Map<string, Buffer>()

  constructor(
    readonly name: string,
    private readonly process: SimProcess,
    private readonly random: KeyedRandom,
  ) {}

  async start(): Promise<void> {
    const { process, counters, random } = this
    const ports = this.generation === 0 ? process.ports : process.restart()
    this.generation += 1
    this.death = new Promise((_, reject) => {
      this.die = reject
    })
    this.death.catch(() => {})
    await ports.disk.makeDirectory('/data')
    const fences = new Fences(2 ** BITS)
    const state = await RepairState.open(ports.disk, '/data/repair', fences)
    const store = new ModelStore(this.cells, ports.timers, () =>
      random.below(random.chance(0.1) ? 150 : 10),
    )
    this.store = store
    this.local = new LocalReplica(store.asStore, fences, counters, undefined)
    this.peer = new LocalRepairPeer({
      store: store.asStore,
      local: this.local,
      state,
      digests: new PartitionDigests(store.asStore, fences),
      news: { moved: () => {} },
      stamper: { isTooFarAhead: () => false, observe: () => {} } as unknown as Stamper,
      counters,
      partitionBits: BITS,
      generation: this.generation,
      maxClockAheadMs: 10_000,
      wallMs: () => ports.clock.wallMs(),
    })
  }

  async crash(): Promise<void> {
    this.die(new CassioError('CASSIO_CONNECTION', 'died'))
    this.peer = undefined
    this.store!.close()
    this.process.kill()
    await this.start()
  }

  newest(key: string): Buffer | undefined {
    return this.cells.get(key)
  }

  forget(): void {
    this.store!.forget(this.local.fences.provenOf(PARTITION))
  }

  /** Resolves to whether the cell, or a newer one, is here; never when the replica dies before. */
  write(mode: WriteMode, cell: Buffer): Promise<boolean> {
    return new Promise((resolve) => {
      const sink = { onWritten: () => resolve(true), onWriteFailed: () => resolve(false) }
      const outcome = this.local.write(mode, cell, 0, PARTITION, hashOf(cell), sink, 0)
      if (outcome !== undefined) resolve(false)
    })
  }
}

/**
 * Three replicas of one partition, writes that come late, hints that come later, read repairs, purges,
 * crashes, and sessions that compare them, two leaders at a time. Harsher than the real thing: no
 * message has a deadline.
 */
export class AgreementWorld {
  readonly violations: string[] = []
  verified = 0
  forgotten = 0
  private readonly simulation: Simulation
  private readonly random: KeyedRandom
  private readonly replicas: Replica[]
  /** The newest acknowledged version of each key. */
  private readonly acknowledged = new Map<string, Buffer>()
  /** The newest tombstone of each key that anybody was asked to write. */
  private readonly deletions = new Map<string, Buffer>()
  private over = false
  private stamps = 0

  constructor(readonly seed: number) {
    this.simulation = new Simulation({ seed, epochMs: EPOCH_MS })
    this.random = new KeyedRandom(seed, 'agreement')
    this.replicas = Array.from({ length: REPLICAS }, (_, i) => {
      const random = new KeyedRandom(seed, 'replica', String(i))
      return new Replica(`r${i}`, this.simulation.process(`r${i}`), random)
    })
  }

  async run(): Promise<void> {
    await this.simulation.run(async () => {
      for (const replica of this.replicas) await replica.start()
      const loops = [
        this.loop(70, () => void this.put()),
        this.loop(70, () => void this.put()),
        this.loop(20, () => void this.readRepair()),
        this.loop(15, () => this.forget()),
        this.loop(15, () => this.check()),
        this.loop(700, () => this.pick().crash()),
        this.loop(15, () => this.compare(this.pick())),
        this.loop(40, () => this.compare(this.pick())),
      ]
      await this.sleep(RUN_MS)
      this.over = true
      await Promise.all(loops)
      // What is on its way arrives.
      await this.sleep(6_000)
      await this.settle()
    })
  }

  private async settle(): Promise<void> {
    for (let attempt = 0; attempt < 10; attempt += 1) {
      await this.compare(this.replicas[0]!, true)
      for (const replica of this.replicas) replica.forget()
    }
    this.check()
    for (const key of KEYS) {
      const versions = this.replicas.map((replica) => replica.newest(key)?.toString('hex') ?? '-')
      if (new Set(versions).size > 1) this.violations.push(`${key} differs: ${versions.join(' ')}`)
    }
  }

  private async put(): Promise<void> {
    const { random } = this
    const key = KEYS[random.below(KEYS.length)]!
    this.stamps += 1
    const ms = EPOCH_MS + Math.floor(this.simulation.nowMs) - random.below(30)
    const version = { ms, counter: this.stamps, dead: random.chance(0.6), value: `${this.stamps}` }
    const cell = makeCell(key, version)
    const deletion = this.deletions.get(key)
    if (version.dead && (deletion === undefined || isNewer(cell, deletion))) {
      this.deletions.set(key, cell)
    }
    let held = 0
    for (const replica of this.replicas) {
      void this.deliver(replica, cell).then((isHeld) => {
        if (!isHeld) return
        held += 1
        if (held === 2) this.acknowledge(key, cell)
      })
    }
  }

  /** To one replica: soon, late, or as a hint. */
  private async deliver(replica: Replica, cell: Buffer): Promise<boolean> {
    const { random } = this
    if (random.chance(0.75)) {
      await this.sleep(random.chance(0.8) ? random.below(20) : random.below(800))
      return replica.write(WriteMode.write, cell)
    }
    await this.sleep(200 + random.below(4_000))
    // Never an acknowledgement.
    if (random.chance(0.8)) await replica.write(WriteMode.hint, cell)
    return false
  }

  private acknowledge(key: string, cell: Buffer): void {
    const known = this.acknowledged.get(key)
    if (known === undefined || isNewer(cell, known)) this.acknowledged.set(key, cell)
  }

  private async readRepair(): Promise<void> {
    const { random } = this
    const key = KEYS[random.below(KEYS.length)]!
    const from = this.pick().newest(key)
    if (from === undefined) return
    await this.sleep(random.below(600))
    await this.pick().write(WriteMode.repair, from)
  }

  private forget(): void {
    const count = () => this.replicas.reduce((sum, each) => sum + countKeys(each), 0)
    const before = count()
    for (const replica of this.replicas) if (this.random.chance(0.5)) replica.forget()
    this.forgotten += before - count()
  }

  private async compare(leader: Replica, steady = false): Promise<void> {
    const { generation } = leader
    const others = this.replicas.filter((replica) => replica !== leader)
    const isAlive = () => leader.generation === generation
    const plan = {
      epoch: 1,
      partitions: [PARTITION],
      others: [others.map((other) => this.participant(other, isAlive, steady))],
      complete: true,
      cutoffMs: EPOCH_MS + Math.floor(this.simulation.nowMs) - LAG_MS,
    }
    const own = this.participant(leader, isAlive, true)
    const watch = { onDiffered: () => {}, onCopied: () => {} }
    const [outcome] = await new RepairSession(own, plan, watch).run()
    if (outcome!.state === 'verified') this.verified += 1
  }

  /** A replica over a network that takes its time, and loses calls and answers. */
  private participant({ name }: Replica, isAlive: () => boolean, steady: boolean): Participant {
    const replica = this.replicas.find((each) => each.name === name)!
    const lose = (share: number) => {
      if (!isAlive() || (!steady && this.random.chance(share))) {
        throw new CassioError('CASSIO_CONNECTION', 'lost')
      }
    }
    const call = async (name: keyof RepairPeer, params: never) => {
      await this.sleep(this.random.below(steady ? 3 : 8))
      lose(0.01)
      const { death, peer: answering } = replica
      if (answering === undefined) throw new CassioError('CASSIO_CONNECTION', 'down')
      const method = answering[name] as (params: never) => Promise<unknown>
      const answer = await Promise.race([method.call(answering, params), death])
      await Promise.race([this.sleep(this.random.below(steady ? 3 : 8)), death])
      lose(0.01)
      return answer
    }
    const methods = [
      'begin',
      'digests',
      'leaves',
      'list',
      'fetch',
      'apply',
      'prepare',
      'commit',
    ] as const
    const peer = Object.fromEntries(
      methods.map((method) => [method, (params: never) => call(method, params)]),
    )
    return { name, peer: peer as unknown as RepairPeer }
  }

  /** Any two replicas know of every acknowledged version, or of a newer one, or that it was deleted. */
  private check(): void {
    for (const [key, last] of this.acknowledged) {
      for (const [a, b] of [
        [0, 1],
        [0, 2],
        [1, 2],
      ] as const) {
        const versions = [this.replicas[a]!.newest(key), this.replicas[b]!.newest(key)]
        const [newest] = versions
          .filter((version) => version !== undefined)
          .sort((x, y) => compareStamps(y, CELL_STAMP_AT, x, CELL_STAMP_AT))
        const deletion = this.deletions.get(key)
        const isFine =
          newest === undefined
            ? deletion !== undefined && !isNewer(last, deletion)
            : !isNewer(last, newest)
        if (isFine) continue
        const what = isTombstone(last, 0) ? 'has come back' : 'is lost'
        this.violations.push(`${key} ${what} at ${this.simulation.nowMs.toFixed(1)} ms`)
      }
    }
  }

  private pick(): Replica {
    return this.replicas[this.random.below(this.replicas.length)]!
  }

  private async loop(meanMs: number, act: () => unknown): Promise<void> {
    const { random } = this
    while (!this.over) {
      await this.sleep(random.between(0, 2 * meanMs))
      if (!this.over) await act()
    }
  }

  private sleep(ms: number): Promise<void> {
    return this.simulation.sleep(ms)
  }
}

function isNewer(a: Buffer, b: Buffer): boolean {
  return compareStamps(a, CELL_STAMP_AT, b, CELL_STAMP_AT) > 0
}

function countKeys(replica: Replica): number {
  return KEYS.filter((key) => replica.newest(key) !== undefined).length
}
