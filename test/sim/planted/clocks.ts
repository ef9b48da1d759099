import { HybridClock } from '../../../packages/server/src/coordinator/hybrid-clock'
import { Stamper } from '../../../packages/server/src/coordinator/stamper'
import { ClientSession } from '../../../packages/server/src/gateway/client-session'
import { ReplicaService } from '../../../packages/server/src/replica/replica-service'
import { all, LOST, type PlantedBug, replace } from './planted-bug'

/** Bugs in stamps and in deadlines. */
export const CLOCK_BUGS: readonly PlantedBug[] = [
  {
    name: 'the hybrid clock forgets at a restart what it has reserved',
    needs: ['kill', 'skew'],
    seedsMax: 300,
    rules: [...LOST, 'stamps-rise', 'one-stamp'],
    plant: () => replace(Stamper, 'persist', () => () => Promise.resolve()),
  },
  {
    name: 'the hybrid clock does not count within a millisecond',
    needs: [],
    seedsMax: 20,
    rules: [...LOST, 'stamps-rise', 'one-stamp', 'convergence'],
    plant: () =>
      replace(
        HybridClock,
        'next',
        (next) =>
          function (this: HybridClock, wallMs: number, target: Buffer, at: number) {
            const isIssued = next.call(this, wallMs, target, at)
            ;(this as unknown as { lastCounter: number }).lastCounter = -1
            return isIssued
          },
      ),
  },
  {
    // No clock of the simulation is as far ahead as nodes tolerate, ten seconds.
    rig: 'tests',
    name: 'stamps far ahead of the clock are accepted',
    suites: [
      'packages/server/test/coordinator/hybrid-clock',
      'packages/server/test/node/wrong-clock',
    ],
    plant: () => replace(HybridClock, 'isTooFarAhead', () => () => false),
  },
  {
    name: 'requests are executed after their deadline when a stopped node goes on',
    needs: ['pause'],
    seedsMax: 400,
    rules: [...LOST, 'done-late', 'stamps-rise'],
    plant: () => {
      const timeless = (name: string) => (original: (...args: unknown[]) => unknown) =>
        function (this: object, ...args: unknown[]) {
          const own = this as unknown as Record<string, object>
          const time = own[name]!
          own[name] = Object.create(time, {
            nowMs: name === 'time' ? { value: 0 } : { value: () => 0 },
          })
          try {
            return original.apply(this, args)
          } finally {
            own[name] = time
          }
        }
      return all(
        replace(ReplicaService, 'refusalOf', timeless('time')),
        replace(ClientSession, 'admit', timeless('owner')),
      )
    },
  },
]
