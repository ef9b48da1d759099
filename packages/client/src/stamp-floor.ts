import {
  CELL_STAMP_AT,
  CellFlag,
  cellFlags,
  STAMP_COUNTER_MAX,
  STAMP_MS_MAX,
} from '@cassiopeia/protocol'

/** A node's hybrid time, from above: what it said, and what the saying may have taken. */
export interface HybridReading {
  readonly ceilingMs: number
  /** By this process's monotonic clock. */
  readonly atMs: number
}

export const NOTHING_HEARD: HybridReading = Object.freeze({ ceilingMs: 0, atMs: 0 })

/** An answer that took longer was held up somewhere, and how much of that came after the reading? */
const ROUND_TRIP_MAX_MS = 100
/** Readings this much above the lowest are of nodes whose clock is so wrong that they do not stamp. */
const SPREAD_MAX_MS = 5_000
/** Clocks may run a little faster than ours. */
const CLOCK_RATE_MAX = 1.01

/** The node has said that its hybrid time is `hybridMs`, in answer to what was sent `tookMs` ago. */
export function nextReading(
  previous: HybridReading,
  hybridMs: number,
  tookMs: number,
  nowMs: number,
): HybridReading {
  const ceilingMs = hybridMs + Math.min(tookMs, ROUND_TRIP_MAX_MS)
  const isOld = tookMs > ROUND_TRIP_MAX_MS && ceilingMs < ceilingAt(previous, nowMs)
  return isOld ? previous : { ceilingMs, atMs: nowMs }
}

function ceilingAt({ ceilingMs, atMs }: HybridReading, nowMs: number): number {
  return ceilingMs + (nowMs - atMs) * CLOCK_RATE_MAX
}

/**
 * A time that no stamp given so far is above, by what the nodes have said of their hybrid clocks. Pure.
 *
 * An attempt of a write whose outcome is not known may live on, on a few replicas, under a stamp that we
 * were not told. The next attempt must get a higher one: else the first would come back and beat what
 * is written after the call has been acknowledged.
 *
 * @returns 0 when nothing has been heard.
 */
export function stampFloor(readings: readonly HybridReading[], nowMs: number): number {
  const ceilings = readings
    .filter(({ ceilingMs }) => ceilingMs > 0)
    .map((reading) => ceilingAt(reading, nowMs))
  const lowest = Math.min(...ceilings)
  const sane = ceilings.filter((ceiling) => ceiling - lowest <= SPREAD_MAX_MS)
  return sane.length === 0 ? 0 : Math.min(Math.ceil(Math.max(...sane)), STAMP_MS_MAX - 1)
}

/** Asks the coordinator for a stamp above `floorMs`, unless the caller has given a stamp. */
export function raiseStamp(cell: Buffer, floorMs: number): void {
  if ((cellFlags(cell, 0) & CellFlag.clientStamp) !== 0) return
  cell.writeUIntBE(floorMs, CELL_STAMP_AT, 6)
  cell.writeUInt16BE(STAMP_COUNTER_MAX, CELL_STAMP_AT + 6)
}
