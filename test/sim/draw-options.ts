import type { KeyedRandom } from '@cassiopeia/env'
import type { PlannedClientOptions, PlannedNodeOptions } from './plan'

/** A healthy link may hold a message up for 100 ms, which no attempt of a write may mistake for death. */
const ATTEMPT_MIN_MS = 120
const MIB = 1024 * 1024

export function drawNodeOptions(
  random: KeyedRandom,
  needs: { isPowerSafe: boolean; isFullAtTimes: boolean; hasLull: boolean },
): PlannedNodeOptions {
  const syncs = ['group', 'group', 'periodic', 'none'] as const
  const sync = syncs[random.below(syncs.length)]!
  const pingIntervalMs = 100 + random.below(400)
  const hedgeMinMs = 2 + random.below(20)
  const backoffMinMs = 5 + random.below(50)
  // Windows that time is to pass several times are short.
  const hintAgeMaxMs = Math.round(1_000 * (needs.hasLull ? 15 : 60) ** random.unit())
  const repairIntervalMs = Math.round(2_000 * (needs.hasLull ? 4 : 15) ** random.unit())
  return {
    sync: needs.isPowerSafe ? sync : 'group',
    syncIntervalMs: 10 + random.below(500),
    segmentBytes: 1024 * 2 ** random.below(7),
    partitionBits: 10,
    gossipIntervalMs: 80 + random.below(300),
    phiThreshold: 5 + random.below(6),
    hedgeMinMs,
    hedgeMaxMs: hedgeMinMs + random.below(100),
    reserveAheadMs: 100 + random.below(900),
    pingIntervalMs,
    silenceMaxMs: pingIntervalMs * (3 + random.below(4)),
    handshakeTimeoutMs: 300 + random.below(1_000),
    frameTimeoutMs: 500 + random.below(2_000),
    backoffMinMs,
    backoffMaxMs: backoffMinMs + random.below(500),
    // So small that memtables are flushed and tables merged while the faults last.
    memtableBytes: 4096 * 2 ** random.below(5),
    memoryBytesMax: MIB * 2 ** random.below(5),
    inlineWriteBytesMax: random.below(2) * 65_536,
    readInPlace: random.chance(0.3),
    // With a reserve writes are refused early, and there is room left for what must be written.
    diskReserveBytes: needs.isFullAtTimes ? 1024 * 2 ** random.below(10) : 64 * MIB,
    hintBytesMax: random.chance(0.1) ? 0 : Math.round(4_096 * 4_096 ** random.unit()),
    hintAgeMaxMs,
    antiEntropy: random.chance(0.9),
    repairIntervalMs,
    repairLagMs: Math.round(random.between(200, 3_000)),
    repairShare: 100,
  }
}

/** Half of the runs have clients that never repeat a write: what those promise is sharper. */
export function drawClientOptions(
  random: KeyedRandom,
  needs: { isCalm: boolean; neverRepeats: boolean },
): PlannedClientOptions {
  const timeoutMs = needs.isCalm ? 5_000 : 150 + random.below(1_500)
  const repeats = random.chance(0.5) && !needs.neverRepeats
  const backoffMinMs = 5 + random.below(50)
  return {
    timeoutMs,
    attemptTimeoutMs: repeats ? ATTEMPT_MIN_MS + random.below(Math.ceil(timeoutMs / 3)) : timeoutMs,
    hedgeAfterMs: 5 + random.below(60),
    backoffMinMs,
    backoffMaxMs: backoffMinMs + random.below(500),
  }
}
