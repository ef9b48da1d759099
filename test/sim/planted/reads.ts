import { CellFlag } from '../../../packages/protocol/src'
import { ReadCore, ReadStep } from '../../../packages/server/src/coordinator/read-core'
import { type ClusterBug, LOST, replace } from './planted-bug'

/** Where a vote has the flags of its cell. */
const VOTE_FLAGS_AT = 16

/** Bugs in reading, and in repairing what a read saw. */
export const READ_BUGS: readonly ClusterBug[] = [
  {
    name: 'a read is content with one vote less',
    needs: [],
    seedsMax: 20,
    rules: LOST,
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
    name: 'a read answers without repairing',
    needs: ['lose'],
    seedsMax: 60,
    rules: LOST,
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
    rules: LOST,
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
    name: 'the oldest vote wins, and is what a repair writes',
    needs: [],
    seedsMax: 20,
    rules: LOST,
    plant: () =>
      replace(
        ReadCore,
        'beatsWinner',
        (beatsWinner) =>
          function (this: ReadCore, replica: number) {
            return this.winner < 0
              ? beatsWinner.call(this, replica)
              : this.hasVoted(replica) && !beatsWinner.call(this, replica)
          },
      ),
  },
  {
    name: 'a tombstone counts as nothing in a vote',
    needs: ['lose'],
    seedsMax: 60,
    rules: [...LOST, 'convergence'],
    plant: () =>
      replace(
        ReadCore,
        'onVote',
        (onVote) =>
          function (this: ReadCore, replica: number, vote: Buffer, at: number) {
            const isTombstone = (vote[at + VOTE_FLAGS_AT]! & CellFlag.tombstone) !== 0
            return isTombstone ? this.onNone(replica) : onVote.call(this, replica, vote, at)
          },
      ),
  },
]
