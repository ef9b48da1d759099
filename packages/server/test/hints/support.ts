/** What the tests of hints share: cells, an owner whose members answer as told, seeds, I/O calls. */
import { type Ports, type SimProcess, Simulation } from '@cassiopeia/env'
import {
  CELL_STAMP_AT,
  CellFlag,
  cellBytes,
  cellFault,
  cellKey,
  cellSize,
  ReplicaOutcome,
  ValueKind,
  writeCell,
  writeStamp,
} from '@cassiopeia/protocol'
import { openHints } from '../../src/hints/hint-service'
import type { HintOwner, HintSettings, Hints } from '../../src/hints/hints'
import { Counters } from '../../src/metrics'

export const DIRECTORY = '/data/hints'
export const MEMBER = '6f9619ff-8b86-4d11-b42d-00c04fc964ff'
export const OTHER = '0e37df36-f698-4ce6-8bde-3fc7bd2ba3a1'

export function makeCell(index: number, valueBytes = 10): Buffer {
  const key = Buffer.from(`key-${index}`)
  const isTombstone = index % 7 === 3
  const value = Buffer.alloc(isTombstone ? 0 : valueBytes, index)
  const cell = Buffer.alloc(cellBytes(key.length, value.length))
  const flags = isTombstone ? CellFlag.tombstone : 0
  writeCell(cell, 0, key, value, flags, ValueKind.bytes)
  writeStamp(cell, CELL_STAMP_AT, 1_000 + index, 0, Buffer.alloc(8, 7))
  return cell
}

/** The number of a cell that `makeCell` made; what it was sent must be that cell, byte by byte. */
export function indexOf(cell: Buffer): number {
  const index = Number(cellKey(cell, 0).toString().slice('key-'.length))
  const valueBytes = cell.length - cellBytes(`key-${index}`.length, 0)
  if (!makeCell(index, valueBytes).equals(cell)) throw new Error(`a wrong cell: ${index}`)
  return index
}

/** What a member does with a hint; undefined: it never answers. */
export type Answer = (index: number, nthOfHint: number) => ReplicaOutcome | undefined

/** The members, as the hints see them. */
export class FakeOwner implements HintOwner {
  hints: Hints | undefined
  readonly live = new Set<string>()
  answer: Answer = () => ReplicaOutcome.applied
  latencyMs: () => number = () => 1
  /** Hints that a member can have in flight before it takes no more. */
  room = Number.POSITIVE_INFINITY
  /** Indexes of cells in the order in which they were sent, and those applied. */
  readonly sent: number[] = []
  readonly applied = new Set<number>()
  readonly dropped: number[] = []
  lost = 0
  inFlight = 0
  inFlightBytes = 0
  inFlightMost = 0
  inFlightBytesMost = 0
  private connection = 0
  private readonly times = new Map<number, number>()

  constructor(private ports: Ports) {}

  isLive(memberId: string): boolean {
    return this.live.has(memberId)
  }

  addressOf(memberId: string): string | undefined {
    return memberId === MEMBER ? 'member:1' : undefined
  }

  sendHint(memberId: string, token: number, cell: Buffer, at: number): boolean {
    if (!this.live.has(memberId) || this.inFlight >= this.room) return false
    const size = cellSize(cell, at)
    if (cellFault(cell, at, at + size) !== undefined) throw new Error('a cell is not sound')
    const index = indexOf(Buffer.from(cell.subarray(at, at + size)))
    this.sent.push(index)
    const nth = (this.times.get(index) ?? 0) + 1
    this.times.set(index, nth)
    this.inFlight += 1
    this.inFlightBytes += size
    this.inFlightMost = Math.max(this.inFlightMost, this.inFlight)
    this.inFlightBytesMost = Math.max(this.inFlightBytesMost, this.inFlightBytes)
    const outcome = this.answer(index, nth)
    const { connection } = this
    this.ports.timers.after(outcome === undefined ? 4_999 : this.latencyMs(), () => {
      if (connection !== this.connection) return
      this.inFlight -= 1
      this.inFlightBytes -= size
      if (outcome === undefined) return
      if (outcome <= ReplicaOutcome.settled) this.applied.add(index)
      this.hints!.onAnswer(token, outcome)
    })
    return true
  }

  onHintDropped(partition: number): void {
    this.dropped.push(partition)
  }

  onHintsLost(): void {
    this.lost += 1
  }

  /** The member is gone, and with it its answers. */
  disconnect(memberId: string): void {
    this.live.delete(memberId)
    this.forgetConnection()
    this.hints?.onPeerLost(memberId)
  }

  connect(memberId: string): void {
    this.live.add(memberId)
    this.hints?.wake()
  }

  /** The process has been started again. */
  restarted(ports: Ports): void {
    this.ports = ports
    this.hints = undefined
    this.forgetConnection()
  }

  private forgetConnection(): void {
    this.connection += 1
    this.inFlight = 0
    this.inFlightBytes = 0
  }
}

/** One process with its hints. The partition of a cell is its index. */
export class HintWorld {
  readonly sim: Simulation
  readonly node: SimProcess
  readonly owner: FakeOwner
  counters = new Counters()
  settings: HintSettings = {
    directory: DIRECTORY,
    hintBytesMax: 1024 ** 3,
    hintAgeMaxMs: 10_800_000,
  }

  constructor(readonly seed: number) {
    this.sim = new Simulation({ seed, guard: true })
    this.node = this.sim.process('node')
    this.owner = new FakeOwner(this.node.ports)
  }

  get hints(): Hints {
    return this.owner.hints!
  }

  /** To be run by the simulation. */
  async opening(): Promise<Hints> {
    const { settings, node, owner, counters } = this
    owner.hints = await openHints(settings, node.ports, owner, counters)
    return owner.hints
  }

  async open(): Promise<void> {
    await this.sim.run(this.opening())
  }

  /** Keeps the cells with the indexes from `from` to `to` - 1. */
  keep(
    from: number,
    to: number,
    options: { valueBytes?: number | undefined; member?: string } = {},
  ): void {
    const { valueBytes, member = MEMBER } = options
    for (let i = from; i < to; i += 1) {
      // Within other bytes, as a message has it, that are used again at once.
      const cell = makeCell(i, valueBytes)
      const message = Buffer.concat([Buffer.from('--'), cell, Buffer.from('--')])
      this.hints.keep(member, i, message, 2)
      message.fill(0xff)
    }
  }

  /** Until nothing is kept any more, in memory or on disk. */
  async drained(limitMs = 60_000): Promise<void> {
    await this.sim.runUntil(() => this.hints.bytes === 0, limitMs)
  }

  async close(): Promise<void> {
    await this.sim.run(this.hints.close())
  }

  /** Ends the process in some way and starts it again; `open` is to follow. */
  restart(how?: 'kill' | 'power'): void {
    if (how === 'power') this.node.powerCut()
    this.owner.restarted(this.node.restart())
  }

  hintFiles(): string[] {
    return this.node.disk.paths().filter((path) => path.startsWith(DIRECTORY))
  }
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}

/** Runs a test once per seed; a failure names the seed and the command that replays it. */
export function testSeeds(name: string, seeds: number, run: (seed: number) => Promise<void>): void {
  const only = process.env.CASSIO_SEED
  const list = only === undefined ? range(1, seeds + 1) : [Number(only)]
  test(name, async () => {
    for (const seed of list) {
      try {
        await run(seed)
      } catch (error) {
        const { testPath } = expect.getState()
        const replay = `CASSIO_SEED=${seed} npx jest ${testPath} -t '${name}'`
        throw new Error(`seed ${seed} failed; replay with: ${replay}\n${(error as Error).stack}`)
      }
    }
  })
}

/** A test that runs `attempt` for each I/O call; a failure says which, and how to replay it. */
export function testCalls(
  name: string,
  calls: () => Promise<number>,
  attempt: (call: number, seed: number) => Promise<void>,
): void {
  const point = process.env.CASSIO_POINT?.split(':').map(Number)
  test(name, async () => {
    const first = Number(process.env.CASSIO_SEED ?? 1_000)
    const count = await calls()
    expect(count).toBeGreaterThan(10)
    for (const call of range(1, count + 1)) {
      const seed = point?.[1] ?? first + call
      if (point !== undefined && point[0] !== call) continue
      try {
        await attempt(call, seed)
      } catch (error) {
        const { testPath } = expect.getState()
        const replay = `CASSIO_POINT=${call}:${seed} npx jest ${testPath} -t '${name}'`
        const where = `call ${call} of ${count}, seed ${seed}`
        throw new Error(`${where} failed; replay with: ${replay}\n${(error as Error).stack}`)
      }
    }
  })
}
