import { CELL_STAMP_AT, ReplicaOutcome, stampMs, WriteMode } from '../../../packages/protocol/src'
import { WriteCoordinator } from '../../../packages/server/src/coordinator/write-coordinator'
import { WriteCore } from '../../../packages/server/src/coordinator/write-core'
import { HintCarrier } from '../../../packages/server/src/hints/hint-carrier'
import { Fences, Passage } from '../../../packages/server/src/repair/fences'
import { LocalRepairPeer } from '../../../packages/server/src/repair/local-repair-peer'
import { RepairSession } from '../../../packages/server/src/repair/repair-session'
import { DigestBuilder } from '../../../packages/storage/src/digest/digest-builder'
import { all, LOST, type PlantedBug, replace } from './planted-bug'

/** What deleted data that comes back, or data that gets lost, is called. */
const BACK = [...LOST, 'resurrection', 'convergence', 'session-reads']

/** Bugs in hints, in comparing replicas, and in forgetting tombstones. */
export const CONVERGENCE_BUGS: readonly PlantedBug[] = [
  {
    name: 'a hint counts as an acknowledgement',
    needs: [],
    seedsMax: 40,
    rules: BACK,
    plant: () =>
      replace(
        WriteCore,
        'judge',
        (judge) =>
          function (this: WriteCore) {
            const { received } = this
            // Whoever has not been reached will get it later.
            this.received = this.received > 0 ? 99 : 0
            const step = judge.call(this)
            this.received = received
            return step
          },
      ),
  },
  {
    name: 'hints are thrown away as if they had been delivered, and nobody compares',
    needs: [],
    seedsMax: 40,
    rules: ['convergence'],
    plant: () =>
      all(
        replace(
          HintCarrier,
          'sendHint',
          () =>
            function (this: HintCarrier, ...args: unknown[]) {
              queueMicrotask(() => this.hints?.onAnswer(args[1] as number, ReplicaOutcome.applied))
              return true
            },
        ),
        replace(RepairSession, 'copyAll', () => () => Promise.resolve([])),
      ),
  },
  {
    name: 'tombstones are forgotten without a proof',
    needs: [],
    seedsMax: 60,
    rules: BACK,
    plant: () =>
      replace(
        Fences,
        'proofs',
        () =>
          function (this: Fences) {
            return Buffer.alloc(this.partitions * 16, 0xff)
          },
      ),
  },
  {
    name: 'comparing copies nothing, and takes all for equal',
    needs: [],
    seedsMax: 60,
    rules: BACK,
    plant: () => replace(RepairSession, 'compare', () => () => Promise.resolve(new Map())),
  },
  {
    name: 'digests leave out tombstones',
    needs: [],
    seedsMax: 200,
    rules: BACK,
    plant: () =>
      replace(
        DigestBuilder,
        'add',
        (add) =>
          function (this: DigestBuilder, ...args: [Buffer, number, number]) {
            const [cell, at] = args
            if ((cell[at + 6]! & 1) === 0) add.apply(this, args)
          },
      ),
  },
  {
    name: 'hints pass the fences',
    rig: 'tests',
    suites: ['packages/server/test/repair/agreement'],
    seedsFactor: 8,
    plant: () =>
      replace(
        Fences,
        'passageOf',
        (passageOf) =>
          function (this: Fences, ...args: [number, WriteMode, Buffer, number]) {
            return args[1] === WriteMode.hint ? Passage.free : passageOf.apply(this, args)
          },
      ),
  },
  {
    name: 'a replica is taken for prepared before its fence is on the disk',
    rig: 'tests',
    suites: ['packages/server/test/repair/agreement'],
    seedsFactor: 8,
    plant: () =>
      replace(LocalRepairPeer, 'prepare', () => () => Promise.resolve({ prepared: true })),
  },
  {
    name: 'a hint gets a new stamp',
    needs: [],
    seedsMax: 60,
    rules: [...BACK, 'one-stamp', 'phantom', 'done-late', 'time-travel'],
    plant: () =>
      replace(
        HintCarrier,
        'sendHint',
        (sendHint) =>
          function (this: HintCarrier, ...args: [string, number, Buffer, number]) {
            const [memberId, token, cell, at] = args
            const later = Buffer.from(cell.subarray(at))
            later.writeUIntBE(stampMs(later, CELL_STAMP_AT) + 2_000, CELL_STAMP_AT, 6)
            return sendHint.call(this, memberId, token, later, 0)
          },
      ),
  },
  {
    name: 'a write that is refused without effect leaves a hint all the same',
    rig: 'tests',
    suites: ['packages/server/test/node/convergence'],
    plant: () =>
      replace(
        WriteCoordinator,
        'giveUp',
        (giveUp) =>
          function (this: WriteCoordinator, ...args: unknown[]) {
            const keepHints = (this as unknown as { keepHints: (write: unknown) => void }).keepHints
            keepHints.call(this, args[0])
            return giveUp.apply(this, args)
          },
      ),
  },
]
