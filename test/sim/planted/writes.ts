import { ConnectionPool } from '../../../packages/client/src/connection-pool'
import {
  crc32,
  FRAME_HEADER_BYTES,
  FrameReader,
  ReplicaOutcome,
} from '../../../packages/protocol/src'
import { Coordination } from '../../../packages/server/src/coordinator/coordination'
import type { WriteOperation } from '../../../packages/server/src/coordinator/operation'
import { WriteCoordinator } from '../../../packages/server/src/coordinator/write-coordinator'
import { WriteCore, WriteStep } from '../../../packages/server/src/coordinator/write-core'
import { all, LOST, type PlantedBug, replace } from './planted-bug'

/** Bugs on the way of a write, from the client to its acknowledgement. */
export const WRITE_BUGS: readonly PlantedBug[] = [
  {
    name: 'a write is acknowledged one replica early',
    needs: [],
    seedsMax: 40,
    rules: [...LOST, 'stamps-rise'],
    plant: () =>
      replace(
        WriteCore,
        'begin',
        (begin) =>
          function (this: WriteCore, replicas: number, required: number, ...rest: unknown[]) {
            begin.call(this, replicas, Math.max(1, required - 1), ...rest)
          },
      ),
  },
  {
    name: 'an acknowledgement that comes twice counts twice',
    needs: ['duplicate'],
    seedsMax: 200,
    rules: [...LOST, 'stamps-rise'],
    // Two walls keep it out, so both must fall: links drop frames that come again, cores know who spoke.
    plant: () =>
      all(
        replace(
          FrameReader,
          'readFrame',
          (readFrame) =>
            function (this: FrameReader, buffer: Buffer, at: number, end: number) {
              Object.assign(this, { sequence: buffer.readUInt32BE(at + 4) - 1 })
              readFrame.call(this, buffer, at, end)
            },
        ),
        replace(
          WriteCore,
          'onOutcome',
          (onOutcome) =>
            function (
              this: WriteCore,
              replica: number,
              outcome: ReplicaOutcome,
              ...rest: unknown[]
            ) {
              const isRepeated = this.outcomeOf(replica) === ReplicaOutcome.applied
              if (!isRepeated || outcome !== ReplicaOutcome.applied) {
                return onOutcome.call(this, replica, outcome, ...rest)
              }
              this.received += 1
              return this.judge()
            },
        ),
      ),
  },
  {
    name: 'a write that a newer version stands above is acknowledged as it is',
    needs: ['skew'],
    seedsMax: 20,
    rules: [...LOST, 'stamps-rise'],
    plant: () =>
      replace(
        WriteCore,
        'judge',
        (judge) =>
          function (this: WriteCore) {
            const step = judge.call(this)
            return step === WriteStep.restamp ? WriteStep.written : step
          },
      ),
  },
  {
    // Seeds find it about once in thousands: the pause must fall between a peer's answer and the disk's.
    rig: 'tests',
    name: 'a coordinator that was stopped stamps a write after its deadline',
    suites: ['test/sim/scenarios/late-stamp'],
    plant: () => replace(WriteCoordinator, 'isTooLate', () => () => false),
  },
  {
    name: 'a write that may have been applied is reported as failed',
    needs: [],
    seedsMax: 40,
    rules: ['failed-write-appeared', 'acknowledged-write-lost'],
    plant: () => replace(WriteCore, 'mayBeApplied', () => () => false),
  },
  {
    name: 'the deadline of a write is forgotten',
    needs: ['lose'],
    seedsMax: 60,
    rules: ['leak', 'hang'],
    plant: () => replace(WriteCoordinator, 'onDue', () => () => undefined),
  },
  {
    name: 'an operation that fails stays in flight',
    needs: ['partition'],
    seedsMax: 20,
    rules: ['leak'],
    plant: () =>
      replace(
        Coordination,
        'fail',
        () =>
          function (this: Coordination, { requester, token }: WriteOperation, error: Error) {
            requester.onFailed(token, error)
          },
      ),
  },
  {
    // Seeds show it rarely: the first attempt must reach its own node alone, whose clock is far ahead.
    rig: 'tests',
    name: 'a repeated write may be stamped below its first attempt',
    suites: ['test/sim/scenarios/ghost-attempt'],
    plant: () => replace(ConnectionPool, 'stampFloor', () => () => 1),
  },
  {
    name: 'a frame counts whatever its checksum says',
    needs: ['corrupt'],
    seedsMax: 60,
    rules: [...LOST, 'phantom', 'one-stamp', 'stamps-rise', 'convergence', 'fatal', 'done-late'],
    plant: () =>
      replace(
        FrameReader,
        'readFrame',
        (readFrame) =>
          function (this: FrameReader, buffer: Buffer, at: number, end: number) {
            const sequence = buffer.readUInt32BE(at + 4)
            const payload = buffer.subarray(at + FRAME_HEADER_BYTES, end)
            buffer.writeUInt32BE(crc32(payload, sequence), at + 8)
            readFrame.call(this, buffer, at, end)
          },
      ),
  },
]
