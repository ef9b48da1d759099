/**
 * Bugs to be planted in the database for as long as a test runs, by replacing a method of one of its
 * classes. A rig that does not find them would not find the next real one either.
 */
import { ReadCore, ReadStep } from '../../packages/server/src/coordinator/read-core'
import { WriteCoordinator } from '../../packages/server/src/coordinator/write-coordinator'
import { WriteCore, WriteStep } from '../../packages/server/src/coordinator/write-core'
import { Segment } from '../../packages/storage/src/commit-log/segment'
import type { FaultKind } from './faults'

export interface PlantedBug {
  readonly name: string
  /** Only seeds with these kinds of faults can show it. */
  readonly needs: readonly FaultKind[]
  /** Seeds, of those, within which it must be found. */
  readonly seedsMax: number
  /** Rules of which one must be violated. */
  readonly rules: readonly string[]
  /** @returns what takes the bug out again. */
  plant(): () => void
}

type Methods = Record<string, (...args: never[]) => unknown>

/** Replaces a method, which may be private, by one that is given the original. */
function replace(
  on: { readonly prototype: object },
  name: string,
  make: (original: (...args: unknown[]) => unknown) => (...args: never[]) => unknown,
): () => void {
  const methods = on.prototype as Methods
  const original = methods[name]
  if (original === undefined) throw new Error(`there is no method ${name} to plant a bug in`)
  methods[name] = make(original as (...args: unknown[]) => unknown)
  return () => {
    methods[name] = original
  }
}

const lost = ['acknowledged-write-lost', 'read-your-writes', 'time-travel', 'monotonic-reads']

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'a write is acknowledged one replica early',
    needs: [],
    seedsMax: 20,
    rules: [...lost, 'stamps-rise'],
    plant: () =>
      replace(
        WriteCore,
        'begin',
        (begin) =>
          function (this: WriteCore, replicas: number, required: number, keepStamp: boolean) {
            begin.call(this, replicas, Math.max(1, required - 1), keepStamp)
          },
      ),
  },
  {
    name: 'a read is content with one vote less',
    needs: [],
    seedsMax: 20,
    rules: lost,
    plant: () =>
      replace(
        ReadCore,
        'begin',
        (begin) =>
          function (this: ReadCore, replicas: number, required: number) {
            begin.call(this, replicas, Math.max(1, required - 1))
          },
      ),
  },
  {
    name: 'a write that a newer version stands above is acknowledged as it is',
    needs: ['skew'],
    seedsMax: 20,
    rules: [...lost, 'stamps-rise'],
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
    name: 'a read answers without repairing',
    needs: ['lose'],
    seedsMax: 60,
    rules: lost,
    plant: () =>
      replace(
        ReadCore,
        'settle',
        (settle) =>
          function (this: ReadCore) {
            const step = settle.call(this)
            return step === ReadStep.repair ? ReadStep.answer : step
          },
      ),
  },
  {
    name: 'the first vote wins instead of the newest',
    needs: [],
    seedsMax: 20,
    rules: lost,
    plant: () =>
      replace(
        ReadCore,
        'beatsWinner',
        (beatsWinner) =>
          function (this: ReadCore, replica: number) {
            return this.winner < 0 && beatsWinner.call(this, replica)
          },
      ),
  },
  {
    name: 'writes are acknowledged before the log is synced',
    needs: ['powerCut'],
    seedsMax: 30,
    rules: [...lost, 'stamps-rise', 'restart'],
    plant: () =>
      replace(
        Segment,
        'sync',
        () =>
          function (this: Segment) {
            this.durableBytes = this.bytes
            return Promise.resolve()
          },
      ),
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
    needs: ['partition'],
    seedsMax: 20,
    rules: ['leak', 'hang'],
    plant: () => replace(WriteCoordinator, 'onDue', () => () => undefined),
  },
]
