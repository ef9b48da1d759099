import { KeyedRandom } from '@cassiopeia/env'
import {
  compareStamps,
  parseStamp,
  STAMP_MS_MAX,
  stampCounter,
  stampMs,
} from '@cassiopeia/protocol'
import { HybridClock } from '../../src/coordinator/hybrid-clock'

const TAG = Buffer.from('0011223344556677', 'hex')
const START = 1_735_689_600_000

/** The clock with its owner's part: a reservation is persisted, then granted. */
class Owner {
  persisted = 0
  clock: HybridClock

  constructor(private readonly aheadMs = 100) {
    this.clock = new HybridClock(TAG, 0, 10_000)
  }

  reserve(wallMs: number): void {
    const due = this.clock.reservationDue(wallMs, this.aheadMs)
    if (due === undefined) return
    this.persisted = due
    this.clock.grant(due)
  }

  next(wallMs: number): Buffer {
    const stamp = Buffer.alloc(16)
    if (this.clock.next(wallMs, stamp, 0)) return stamp
    this.reserve(wallMs)
    if (!this.clock.next(wallMs, stamp, 0)) throw new Error('no stamp after a reservation')
    return stamp
  }

  /** A crash: what was persisted is all that is left. */
  restart(): void {
    this.clock = new HybridClock(TAG, this.persisted, 10_000)
  }
}

describe('hybrid clock', () => {
  it('hybrid clock: before a reservation: no stamp, and the target is left alone', () => {
    const clock = new HybridClock(TAG, START, 10_000)
    const target = Buffer.alloc(16, 7)
    expect(clock.next(START + 5, target, 0)).toBe(false)
    expect(target.every((byte) => byte === 7)).toBe(true)
    clock.grant(START + 100)
    expect(clock.next(START + 5, target, 0)).toBe(true)
    expect([stampMs(target, 0), stampCounter(target, 0)]).toEqual([START + 5, 0])
  })

  it('hybrid clock: the wall clock stands still: the counter rises, and overflows into the time', () => {
    const owner = new Owner()
    let last = owner.next(START)
    for (let i = 0; i < 66_000; i += 1) {
      const stamp = owner.next(START)
      if (compareStamps(stamp, 0, last, 0) <= 0) throw new Error(`stamp ${i} does not rise`)
      last = stamp
    }
    expect([stampMs(last, 0), stampCounter(last, 0)]).toEqual([START + 1, 66_000 - 65_536])
  })

  it.each([1, 2, 3, 4, 5])(
    'hybrid clock: jumps, foreign stamps and crashes: every stamp above all before (seed %d)',
    (seed) => {
      const random = new KeyedRandom(seed, 'hybrid-clock')
      const owner = new Owner(1 + random.below(200))
      let wallMs = START
      let last: Buffer = Buffer.alloc(16)
      for (let i = 0; i < 20_000; i += 1) {
        const draw = random.below(100)
        if (draw < 50) wallMs += random.below(3)
        else if (draw < 52) wallMs += random.below(100_000) - 50_000
        else if (draw < 54) owner.restart()
        else if (draw < 60) owner.reserve(wallMs)
        else if (draw < 70) {
          const foreign = parseStamp(wallMs + random.below(20_000) - 5_000)
          foreign.writeUInt16BE(random.below(65_536), 6)
          if (!owner.clock.isTooFarAhead(foreign, 0, wallMs)) {
            owner.clock.observe(foreign, 0)
            const stamp = owner.next(wallMs)
            expect(compareStamps(stamp, 0, foreign, 0)).toBeGreaterThan(0)
            if (compareStamps(stamp, 0, last, 0) <= 0) throw new Error(`stamp ${i} does not rise`)
            last = stamp
          }
        } else {
          const stamp = owner.next(wallMs)
          if (compareStamps(stamp, 0, last, 0) <= 0) throw new Error(`stamp ${i} does not rise`)
          if (stampMs(stamp, 0) > owner.persisted) throw new Error(`stamp ${i} was not reserved`)
          last = stamp
        }
      }
    },
  )

  it('hybrid clock: a stamp of the last millisecond of the counter is met: the next is above it', () => {
    const owner = new Owner()
    const foreign = parseStamp(`${START}-65535-ffffffffffffffff`)
    owner.clock.observe(foreign, 0)
    expect(compareStamps(owner.next(START), 0, foreign, 0)).toBeGreaterThan(0)
  })

  it.each([
    [10_000, false],
    [10_001, true],
    [-5_000, false],
  ])('hybrid clock: a stamp %d ms ahead: too far is %s', (aheadMs, expected) => {
    const clock = new HybridClock(TAG, 0, 10_000)
    expect(clock.isTooFarAhead(parseStamp(START + aheadMs), 0, START)).toBe(expected)
  })

  it('hybrid clock: the last time of all: always too far ahead, since nothing could follow', () => {
    const clock = new HybridClock(TAG, 0, 10_000)
    expect(clock.isTooFarAhead(parseStamp(STAMP_MS_MAX), 0, STAMP_MS_MAX)).toBe(true)
  })

  it('hybrid clock: reservations: due when half is used, by the wall or by stamps', () => {
    const clock = new HybridClock(TAG, 0, 10_000)
    expect(clock.reservationDue(START, 100)).toBe(START + 100)
    clock.grant(START + 100)
    expect(clock.reservationDue(START + 50, 100)).toBeUndefined()
    expect(clock.reservationDue(START + 51, 100)).toBe(START + 151)
    clock.observe(parseStamp(START + 500), 0)
    expect(clock.reservationDue(START, 100)).toBe(START + 600)
    // A grant that comes late takes nothing back.
    clock.grant(START + 1)
    expect(clock.reservationDue(START, 100)).toBe(START + 600)
  })
})
