import type { History } from './history'

/** Something rare that should happen now and then, so that one knows that it is tried. */
export interface Probe {
  readonly name: string
  /** What has happened when it counts. */
  readonly what: string
}

/** What a run tells of itself for its probes. */
export interface ProbeSources {
  readonly history: History
  /** What nodes have counted. */
  readonly counters: Readonly<Record<string, number>>
}

/** Counters of nodes and stores, by their own names. */
const COUNTED: Readonly<Record<string, string>> = Object.freeze({
  readRepairs: 'a read met replicas that differed, and wrote the newest version back',
  restamps: 'a write met a newer version and was stamped again',
  hedges: 'a read asked one replica more, as another was late',
  timeouts: 'a request ran out of time',
  unavailables: 'too few replicas were live to try',
  expired: 'a request was dropped as it came past its deadline',
  refusals: 'a replica refused a request',
  fenceRefusals: 'a write was refused as older than what replicas agree on, or have agreed on',
  settledRepairs: 'a repair came later than that, and was left undone',
  lateArrivals: 'a cell was offered that all replicas had agreed is not there',
  repairSessions: 'replicas compared what they hold',
  partitionsVerified: 'all replicas of a partition were found equal',
  partitionsDiffered: 'replicas of a partition were found different',
  cellsRepaired: 'a cell was copied to another replica by anti-entropy',
  partitionsProven: 'a partition was proven further, so that its tombstones may go',
  hintsKept: 'a write was kept for a replica that missed it',
  hintsReplayed: 'a hint was delivered',
  hintsRefused: 'a hint came too late for its replica to take',
  hintsExpired: 'a hint was dropped for its age',
  hintsDropped: 'a hint was dropped for lack of room',
  hintsLost: 'part of a file of hints could not be read',
  tornBytes: 'a torn tail of the log was cut off at start, by its bytes',
  flushes: 'a memtable became a table',
  compactions: 'tables were merged',
  tombstonesForgotten: 'a tombstone was proven by all replicas and let go',
  damages: 'damage in a table was met',
  throttledMs: 'writes were held back for flushes and compaction, by milliseconds',
  diskFullSeen: 'a store refused writes as its disk was full',
  stoppedByDisk: 'a node stopped by itself after its disk had failed',
})

/** What the history shows. */
const SEEN: Readonly<Record<string, readonly [string, (history: History) => number]>> =
  Object.freeze({
    expiringReads: [
      'a value was read that is to expire',
      ({ records }) => records.filter(({ expiresAtMs }) => expiresAtMs !== undefined).length,
    ],
    recreations: ['a deleted key was written again', countRecreations],
    damagedStarts: [
      'a node refused to start on damaged files',
      ({ faults }) => faults.filter(({ what }) => what.includes('refuses to start')).length,
    ],
    diskFullErrors: ['a call failed as disks were full', countErrors('CASSIO_DISK_FULL')],
    clockErrors: ['a call failed as clocks were apart', countErrors('CASSIO_STAMP_AHEAD')],
    corruptErrors: ['a call met damage', countErrors('CASSIO_CORRUPT')],
    unknownWrites: [
      'a write ended without anybody knowing whether it is done',
      ({ records }) =>
        records.filter(({ verb, outcome }) => verb !== 'get' && outcome === 'unknown').length,
    ],
    deadForGood: [
      'a node stayed dead after heal',
      ({ faults }) => faults.filter(({ what }) => what.includes('stays dead')).length,
    ],
  })

export const PROBES: readonly Probe[] = [
  ...Object.entries(COUNTED).map(([name, what]) => ({ name, what })),
  ...Object.entries(SEEN).map(([name, [what]]) => ({ name, what })),
]

/** Everything that was counted, and each probe, also those that were not hit. */
export function countProbes({ history, counters }: ProbeSources): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of Object.keys(COUNTED)) counts[name] = 0
  Object.assign(counts, counters)
  for (const [name, [, count]] of Object.entries(SEEN)) counts[name] = count(history)
  return counts
}

function countErrors(code: string): (history: History) => number {
  return ({ records }) => records.filter(({ error }) => error?.includes(code)).length
}

function countRecreations({ records }: History): number {
  const deleted = new Set<string>()
  let count = 0
  for (const { verb, key, outcome } of records) {
    if (outcome !== 'ok') continue
    if (verb === 'del') deleted.add(key)
    else if (verb === 'set' && deleted.delete(key)) count += 1
  }
  return count
}
