import { KeyedRandom } from '@cassiopeia/env'
import {
  CELL_STAMP_AT,
  CellFlag,
  cellBytes,
  cellValue,
  compareStamps,
  reconcile,
  VOTE_BYTES,
  writeCell,
  writeStamp,
  writeVote,
} from '@cassiopeia/protocol'
import { ReadCore, ReadStep } from '../../src/coordinator/read-core'

const KEY = Buffer.from('key')

function cell(ms: number, value: string | null = `v${ms}`, clientStamp = false): Buffer {
  const bytes = Buffer.from(value ?? '')
  const made = Buffer.alloc(cellBytes(KEY.length, bytes.length))
  const flags = (value === null ? CellFlag.tombstone : 0) | (clientStamp ? CellFlag.clientStamp : 0)
  writeCell(made, 0, KEY, bytes, flags, 1)
  writeStamp(made, CELL_STAMP_AT, ms, 0, Buffer.alloc(8))
  return made
}

function voteOf(bytes: Buffer): Buffer {
  const vote = Buffer.alloc(VOTE_BYTES)
  writeVote(vote, 0, bytes, 0)
  return vote
}

function asked(replicas: number, required: number, ...which: number[]): ReadCore {
  const core = new ReadCore()
  core.begin(replicas, required)
  for (const replica of which) core.asked(replica)
  return core
}

const stepName = (step: ReadStep): string =>
  Object.entries(ReadStep).find(([, each]) => each === step)![0]

describe('read core', () => {
  it('read core: all agree: that is the answer, without a repair', () => {
    const core = asked(3, 2, 0, 1)
    expect(stepName(core.onVote(1, voteOf(cell(5)), 0))).toBe('wait')
    expect(stepName(core.onCell(0, cell(5), 0))).toBe('answer')
    expect(cellValue(core.winningCell!, 0).toString()).toBe('v5')
    expect(core.disagreed).toBe(false)
  })

  it('read core: all have nothing: the answer is nothing', () => {
    const core = asked(3, 2, 0, 1)
    core.onNone(0)
    expect(stepName(core.onNone(1))).toBe('answer')
    expect([core.winner, core.winningCell]).toEqual([-1, undefined])
  })

  it('read core: all have the same tombstone: no cell is fetched for it', () => {
    const core = asked(3, 2, 0, 1)
    core.onVote(0, voteOf(cell(5, null)), 0)
    expect(stepName(core.onVote(1, voteOf(cell(5, null)), 0))).toBe('answer')
  })

  it('read core: all agree and none sent the cell: it is fetched from any of them', () => {
    const core = asked(3, 2, 0, 1)
    core.onVote(0, voteOf(cell(5)), 0)
    expect(stepName(core.onVote(1, voteOf(cell(5)), 0))).toBe('fetch')
    expect([0, 1, 2].map((replica) => core.wantsCell(replica))).toEqual([true, true, false])
    core.asked(0)
    core.asked(1)
    expect(stepName(core.onCell(1, cell(5), 0))).toBe('answer')
  })

  it.each<[string, Buffer | undefined, Buffer]>([
    ['an older value', cell(4), cell(5)],
    ['nothing', undefined, cell(5)],
    ['an older tombstone', cell(4, null), cell(5)],
    ['an older value, the newest a tombstone', cell(4), cell(5, null)],
    ['an equal client stamp, a smaller value', cell(5, 'a', true), cell(5, 'b', true)],
    ['an equal client stamp, a value against a tombstone', cell(5, 'a', true), cell(5, null, true)],
  ])(
    'read core: one has %s: the newest is written back before the answer',
    (_what, older, newest) => {
      for (const newestFirst of [true, false]) {
        const core = asked(3, 2, 0, 1)
        const [older0, newest1] = [older, newest]
        const giveOlder = () => (older0 === undefined ? core.onNone(0) : core.onCell(0, older0, 0))
        const giveNewest = () => core.onCell(1, newest1, 0)
        const steps = newestFirst ? [giveNewest(), giveOlder()] : [giveOlder(), giveNewest()]
        expect(steps.map(stepName)).toEqual(['wait', 'repair'])
        expect(core.winningCell).toBe(newest)
        expect([0, 1, 2].map((replica) => core.wantsRepair(replica))).toEqual([true, false, false])
        expect(core.holders).toBe(1)
        core.asked(0)
        expect(core.repairIsPossible).toBe(true)
        expect(stepName(core.onHolds(0))).toBe('answer')
      }
    },
  )

  it('read core: equal client stamps, values unseen: both cells are fetched before one wins', () => {
    const core = asked(3, 2, 0, 1)
    core.onVote(0, voteOf(cell(5, 'a', true)), 0)
    expect(stepName(core.onVote(1, voteOf(cell(5, 'b', true)), 0))).toBe('fetch')
    core.asked(0)
    core.asked(1)
    expect(stepName(core.onCell(0, cell(5, 'a', true), 0))).toBe('wait')
    expect(stepName(core.onCell(1, cell(5, 'b', true), 0))).toBe('repair')
    expect(cellValue(core.winningCell!, 0).toString()).toBe('b')
    expect(core.wantsRepair(0)).toBe(true)
  })

  it('read core: what is fetched is newer than the vote: it wins', () => {
    const core = asked(3, 2, 0, 1)
    core.onVote(0, voteOf(cell(5)), 0)
    core.onCell(1, cell(4), 0)
    core.asked(0)
    expect(stepName(core.onCell(0, cell(7), 0))).toBe('repair')
    expect(cellValue(core.winningCell!, 0).toString()).toBe('v7')
  })

  it('read core: the newest is lost while it is fetched: another vote, never the older answer', () => {
    const core = asked(3, 2, 0, 1)
    core.onCell(0, cell(4), 0)
    expect(stepName(core.onVote(1, voteOf(cell(5)), 0))).toBe('fetch')
    core.asked(1)
    expect(stepName(core.onLost(1))).toBe('askMore')
    expect([core.isVoting, core.votes]).toEqual([true, 1])
    core.asked(2)
    expect(stepName(core.onCell(2, cell(5), 0))).toBe('repair')
    expect(cellValue(core.winningCell!, 0).toString()).toBe('v5')
  })

  it('read core: lost while fetched, a hedge never answered: the hedged one may be asked again', () => {
    const core = asked(3, 2, 0, 1, 2)
    core.onCell(0, cell(4), 0)
    core.onVote(1, voteOf(cell(5)), 0)
    core.asked(1)
    expect(core.isUnasked(2)).toBe(false)
    expect(stepName(core.onLost(1))).toBe('askMore')
    expect(core.isUnasked(2)).toBe(true)
  })

  it('read core: a repeated answer: changes nothing, neither count nor ballot', () => {
    const core = asked(3, 2, 0, 1)
    core.onCell(0, cell(5), 0)
    expect(stepName(core.onCell(0, cell(9), 0))).toBe('wait')
    expect(stepName(core.onVote(0, voteOf(cell(9)), 0))).toBe('wait')
    expect(stepName(core.onNone(0))).toBe('wait')
    expect(core.votes).toBe(1)
    expect(stepName(core.onCell(1, cell(5), 0))).toBe('answer')
    expect(cellValue(core.winningCell!, 0).toString()).toBe('v5')
  })

  it('read core: answers of replicas that were not asked: do not count', () => {
    const core = asked(3, 2, 0)
    for (const replica of [1, 2, 7]) {
      expect(stepName(core.onNone(replica))).toBe('wait')
      expect(stepName(core.onLost(replica))).toBe('wait')
      expect(stepName(core.onHolds(replica))).toBe('wait')
    }
    expect([core.votes, core.holders]).toEqual([0, 0])
  })

  it('read core: votes lost: more are asked for only when those asked cannot make it up', () => {
    const core = asked(3, 2, 0, 1, 2)
    expect(stepName(core.onLost(0))).toBe('wait')
    expect(stepName(core.onLost(1))).toBe('askMore')
  })

  it('read core: a repair is refused: another replica, until as many as required hold it', () => {
    const core = asked(5, 3, 0, 1, 2)
    core.onCell(0, cell(5), 0)
    core.onNone(1)
    expect(stepName(core.onNone(2))).toBe('repair')
    core.asked(1)
    core.asked(2)
    expect(stepName(core.onHolds(1))).toBe('wait')
    expect(stepName(core.onLost(2))).toBe('repairMore')
    expect([0, 1, 2, 3, 4].map((replica) => core.mayRepair(replica))).toEqual([
      false,
      false,
      false,
      true,
      true,
    ])
    core.asked(4)
    expect(core.repairIsPossible).toBe(true)
    expect(stepName(core.onHolds(2))).toBe('wait')
    expect(stepName(core.onHolds(4))).toBe('answer')
  })

  it('read core: a replica has confirmed a repair: it is not repaired again and counted twice', () => {
    const core = asked(5, 3, 0, 1, 2)
    core.onCell(0, cell(5), 0)
    core.onNone(1)
    core.onNone(2)
    for (const replica of [1, 2, 3]) core.asked(replica)
    expect(stepName(core.onHolds(3))).toBe('wait')
    expect(stepName(core.onLost(1))).toBe('wait')
    expect(stepName(core.onLost(2))).toBe('repairMore')
    expect([0, 1, 2, 3, 4].map((replica) => core.mayRepair(replica))).toEqual([
      false,
      false,
      false,
      false,
      true,
    ])
    expect(core.hasAnswered(3)).toBe(true)
  })

  it('read core: a replica has refused a repair: it is not asked again and again', () => {
    const core = asked(5, 3, 0, 1, 2)
    core.onCell(0, cell(5), 0)
    core.onNone(1)
    core.onNone(2)
    for (const replica of [1, 3]) core.asked(replica)
    expect(stepName(core.onLost(3))).toBe('repairMore')
    expect(core.mayRepair(3)).toBe(false)
    expect(core.mayRepair(4)).toBe(true)
  })

  it('read core: hedged, three vote and two hold the newest: no repair is needed (R=2)', () => {
    const core = asked(3, 3, 0, 1, 2)
    core.required = 2
    core.onCell(0, cell(5), 0)
    expect(stepName(core.onVote(1, voteOf(cell(5)), 0))).toBe('answer')
  })

  it('read core: used again: nothing of the earlier read is left', () => {
    const core = asked(3, 2, 0, 1)
    core.onCell(0, cell(5), 0)
    core.onNone(1)
    core.begin(3, 2)
    expect([core.votes, core.winner, core.holders, core.outstanding]).toEqual([0, -1, 0, 0])
    expect([0, 1, 2].every((replica) => core.isUnasked(replica))).toBe(true)
    core.asked(1)
    core.asked(2)
    core.onNone(1)
    expect(stepName(core.onNone(2))).toBe('answer')
  })

  it('read core: a cell shown for the duration of a call: is kept by copying it', () => {
    const core = asked(3, 2, 0, 1)
    const arena = Buffer.concat([Buffer.alloc(9), cell(5), Buffer.alloc(9)])
    core.onCell(0, arena, 9)
    core.keepCell(0, cell(5).length)
    arena.fill(0xff)
    core.onNone(1)
    expect(core.winningCell!.equals(cell(5))).toBe(true)
  })
})

/**
 * The whole life of a read over replicas that may differ in every way, with answers in any order, any
 * of them lost, and hedges at any time. It plays the coordinator's part in the simplest way.
 */
class ReadWorld {
  readonly core = new ReadCore()
  readonly stores: (Buffer | undefined)[]
  private inbox: { round: number; replica: number; kind: 'stamp' | 'value' | 'repair' }[] = []
  private round = 0
  outcome: 'answered' | 'unavailable' | undefined
  /** Whether the newest among the counted votes was answered. */
  probes = { fetches: 0, repairs: 0, restarts: 0 }

  constructor(
    private readonly random: KeyedRandom,
    replicas: number,
    readonly required: number,
  ) {
    this.stores = Array.from({ length: replicas }, () => this.anyCell())
    this.core.begin(replicas, required)
  }

  private anyCell(): Buffer | undefined {
    const draw = this.random.below(10)
    if (draw < 3) return undefined
    const ms = 1 + this.random.below(3)
    const clientStamp = ms === 3
    const value = draw < 5 ? null : clientStamp ? 'abc'[this.random.below(3)]! : `v${ms}`
    // A coordinator gives each stamp once: with it the cell is the same everywhere.
    if (!clientStamp) return cell(ms, ms === 1 ? 'v1' : null)
    return cell(ms, value, true)
  }

  run(): void {
    for (let i = 0; i < this.required; i += 1) this.askOne()
    for (let turn = 0; this.outcome === undefined; turn += 1) {
      if (turn > 200) throw new Error('the read does not end')
      if (this.random.chance(0.1)) this.hedge()
      if (this.inbox.length === 0) {
        if (!this.hedge()) this.outcome = 'unavailable'
        continue
      }
      const [message] = this.inbox.splice(this.random.below(this.inbox.length), 1)
      if (message!.round === this.round) this.perform(this.deliver(message!))
    }
  }

  private deliver({ replica, kind }: { replica: number; kind: string }): ReadStep {
    const { core, random } = this
    if (random.chance(0.15)) return core.onLost(replica)
    if (kind === 'repair') {
      const winner = core.winningCell!
      const held = this.stores[replica]
      if (held === undefined || reconcile(winner, core.winningCellAt, held, 0) > 0) {
        this.stores[replica] = Buffer.from(winner)
      }
      return core.onHolds(replica)
    }
    const held = this.stores[replica]
    if (held === undefined) return core.onNone(replica)
    return kind === 'value' || random.chance(0.3)
      ? core.onCell(replica, Buffer.from(held), 0)
      : core.onVote(replica, voteOf(held), 0)
  }

  private perform(step: ReadStep): void {
    const { core } = this
    if (step === ReadStep.answer) this.outcome = 'answered'
    if (step === ReadStep.askMore) {
      this.probes.restarts += 1
      while (core.votes + core.outstanding < this.required) {
        if (!this.askOne()) {
          this.outcome = 'unavailable'
          return
        }
      }
    }
    if (step === ReadStep.fetch) {
      this.probes.fetches += 1
      this.round += 1
      this.stores.forEach((_, replica) => {
        if (core.wantsCell(replica)) this.send(replica, 'value')
      })
      if (core.outstanding === 0) throw new Error('a fetch from nobody')
    }
    if (step === ReadStep.repair) {
      this.probes.repairs += 1
      this.round += 1
      this.stores.forEach((_, replica) => {
        if (core.wantsRepair(replica)) this.send(replica, 'repair')
      })
    }
    if (step === ReadStep.repair || step === ReadStep.repairMore) {
      while (!core.repairIsPossible) {
        if (!this.repairOne()) {
          this.outcome = 'unavailable'
          return
        }
      }
    }
  }

  private hedge(): boolean {
    if (this.core.isVoting) return this.askOne()
    return this.core.isRepairing ? this.repairOne() : false
  }

  private askOne(): boolean {
    return this.sendToOne((replica) => this.core.isUnasked(replica), 'stamp')
  }

  private repairOne(): boolean {
    return this.sendToOne((replica) => this.core.mayRepair(replica), 'repair')
  }

  private sendToOne(may: (replica: number) => boolean, kind: 'stamp' | 'repair'): boolean {
    const able = this.stores.map((_, replica) => replica).filter(may)
    if (able.length === 0) return false
    this.send(able[this.random.below(able.length)]!, kind)
    return true
  }

  private send(replica: number, kind: 'stamp' | 'value' | 'repair'): void {
    this.core.asked(replica)
    this.inbox.push({ round: this.round, replica, kind })
  }
}

describe('read core against a model', () => {
  const ROUNDS = 30_000

  it(`read core: random replicas, losses and orders: never older than a counted vote, and held by as many as required (seeds 1 to ${ROUNDS})`, () => {
    const sum = { answered: 0, unavailable: 0, fetches: 0, repairs: 0, restarts: 0 }
    for (let seed = 1; seed <= ROUNDS; seed += 1) {
      const random = new KeyedRandom(seed, 'read-core')
      const replicas = 1 + random.below(5)
      const world = new ReadWorld(random, replicas, 1 + random.below(replicas))
      const before = [...world.stores]
      const fail = (what: string): never => {
        throw new Error(`seed ${seed}: ${what}`)
      }
      try {
        world.run()
      } catch (error) {
        fail(String(error))
      }
      sum[world.outcome!] += 1
      for (const probe of ['fetches', 'repairs', 'restarts'] as const)
        sum[probe] += world.probes[probe]
      if (world.outcome !== 'answered') continue
      const { core, required } = world
      const winner = core.winner < 0 ? undefined : before[core.winner]
      const voters = before.filter((_, replica) => core.hasVoted(replica))
      if (voters.length < required) fail('too few votes')
      for (const held of voters) {
        if (held === undefined) continue
        if (winner === undefined) fail('nothing was answered, a voter has a cell')
        else if (reconcile(held, 0, winner, 0) > 0) fail('a voter has a newer cell')
      }
      if (core.winningCell !== undefined && !core.winningCell.equals(winner!)) fail('another cell')
      if (winner === undefined) continue
      const holders = world.stores.filter(
        (held) => held !== undefined && reconcile(held, 0, winner, 0) >= 0,
      ).length
      if (holders < required) fail(`${holders} of ${required} hold the answer`)
      if (core.winningCell === undefined && (winner[6]! & CellFlag.tombstone) === 0) {
        fail('a value was answered without its cell')
      }
      if (compareStamps(winner, CELL_STAMP_AT, before[core.winner]!, CELL_STAMP_AT) !== 0)
        fail('stamp')
    }
    expect(sum.answered).toBeGreaterThan(ROUNDS / 2)
    for (const count of Object.values(sum)) expect(count).toBeGreaterThan(500)
  })
})
