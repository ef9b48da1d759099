/**
 * What compaction costs, by arithmetic alone: keys fall into classes that are overwritten at
 * different rates, a run is the share of each class that it has, and merging runs unites shares as
 * if they were independent. Bytes are counted in keys of one size.
 */
import { type DataRun, PICKER_DEFAULTS, pickCompaction } from '../../src/compaction/picker'

export interface Workload {
  /** Keys in each class, and how often a class is written for each write overall. */
  readonly keys: readonly number[]
  readonly rates: readonly number[]
}

export interface Amplification {
  /** Bytes written, for the log, by flushes and by compaction, over bytes taken. */
  readonly write: number
  /** Bytes in tables over bytes of the newest cells: at its worst, and on average. */
  readonly spaceMax: number
  readonly spaceMean: number
  readonly runsMax: number
}

export function uniform(keys: number): Workload {
  return { keys: [keys], rates: [1] }
}

/** Key i is written in proportion to 1 / i^exponent; neighbours share a class. */
export function zipfian(keys: number, exponent: number): Workload {
  const classes: number[] = []
  const weights: number[] = []
  for (let from = 1; from <= keys; ) {
    const to = Math.min(keys + 1, Math.max(from + 1, Math.floor(from * 1.3)))
    let weight = 0
    for (let i = from; i < to; i += 1) weight += i ** -exponent
    classes.push(to - from)
    weights.push(weight)
    from = to
  }
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return { keys: classes, rates: weights.map((weight) => weight / total) }
}

interface Run {
  readonly run: number
  readonly shares: readonly number[]
}

interface Merge {
  readonly inputs: readonly Run[]
  readonly outputRun: number | 'new'
  readonly shares: readonly number[]
  readonly total: number
  readonly full: boolean
  left: number
}

/** Pieces of time between two flushes. */
const STEPS = 20

/**
 * @param memtableKeys Keys that a memtable holds when it is flushed.
 * @param speed Bytes that compaction reads and writes while one byte is taken; Infinity: at once.
 * @param workers 2: tiers are merged beside a full merge, at half the speed each.
 */
export function amplification(
  { keys, rates }: Workload,
  memtableKeys: number,
  flushes: number,
  speed: number,
  workers = 1,
): Amplification {
  const size = (shares: readonly number[]) =>
    shares.reduce((sum, share, i) => sum + share * keys[i]!, 0)
  const writtenOnce = (writes: number) =>
    keys.map((count, i) => 1 - Math.exp((-writes * rates[i]!) / count))
  const writesPerFlush = solve((writes) => size(writtenOnce(writes)), memtableKeys)
  const flushed = writtenOnce(writesPerFlush)
  const live = keys.reduce((sum, count) => sum + count, 0)

  let nextRun = 2
  let runs: Run[] = [{ run: 1, shares: keys.map(() => 1) }]
  let merges: Merge[] = []
  let written = 0
  let spaceMax = 0
  let spaceSum = 0
  let runsMax = 0

  const described = () =>
    runs.map(({ run, shares }): DataRun => {
      const bytes = size(shares)
      const place = { partition: 0, key: Buffer.alloc(1) }
      const info = { number: run, bytes, cells: bytes, first: place, last: place, halfExpiredMs: 0 }
      const busy = merges.some(({ inputs }) => inputs.some((input) => input.run === run))
      return { run, tables: [{ info }], damaged: false, busy }
    })
  const pick = (): Merge | undefined => {
    const options = PICKER_DEFAULTS
    const input = { runs: described(), deletes: [], nowMs: 0, proofsPossible: true, options }
    const picked = pickCompaction(input)
    if (picked?.type !== 'merge') return undefined
    const { full } = picked
    const inputs = runs.filter(({ run }) => picked.inputs.includes(run))
    const shares = keys.map((_, i) => 1 - inputs.reduce((p, run) => p * (1 - run.shares[i]!), 1))
    const total = inputs.reduce((sum, run) => sum + size(run.shares), size(shares))
    written += size(shares)
    return { inputs, outputRun: picked.outputRun, shares, total, full, left: total }
  }
  const finish = ({ inputs, outputRun, shares }: Merge) => {
    const run = outputRun === 'new' ? nextRun++ : outputRun
    runs = [...runs.filter((each) => !inputs.includes(each)), { run, shares }]
  }
  // Inputs are let go of piece by piece as the outputs grow.
  const space = () => {
    let all = runs.reduce((sum, { shares }) => sum + size(shares), 0)
    for (const merge of merges) {
      const before = merge.inputs.reduce((sum, { shares }) => sum + size(shares), 0)
      all += (1 - merge.left / merge.total) * (size(merge.shares) - before)
    }
    return all
  }
  /** Merges for as long as `budget` bytes take; tiers on a second worker beside a full merge. */
  const compact = (budget: number) => {
    for (;;) {
      if (merges.length === 0 || (workers > 1 && merges.length === 1 && merges[0]!.full)) {
        const merge = pick()
        if (merge !== undefined) merges.push(merge)
      }
      if (merges.length === 0 || budget <= 0) return
      const spent = Math.min(budget, ...merges.map(({ left }) => left * merges.length))
      budget -= spent
      for (const merge of merges) merge.left -= spent / merges.length
      for (const merge of merges.filter(({ left }) => left <= 1e-6)) finish(merge)
      merges = merges.filter(({ left }) => left > 1e-6)
    }
  }

  for (let flush = 0; flush < flushes; flush += 1) {
    written += writesPerFlush + size(flushed)
    runs.push({ run: nextRun++, shares: flushed })
    for (let step = 0; step < STEPS; step += 1) {
      spaceMax = Math.max(spaceMax, space() / live)
      spaceSum += space() / live
      runsMax = Math.max(runsMax, runs.length)
      compact((writesPerFlush / STEPS) * speed)
    }
  }
  return {
    write: written / (flushes * writesPerFlush),
    spaceMax,
    spaceMean: spaceSum / flushes / STEPS,
    runsMax,
  }
}

/** Where the rising function `of` reaches `value`. */
function solve(of: (x: number) => number, value: number): number {
  let low = 0
  let high = value
  while (of(high) < value) high *= 2
  for (let i = 0; i < 60; i += 1) {
    const middle = (low + high) / 2
    if (of(middle) < value) low = middle
    else high = middle
  }
  return high
}
