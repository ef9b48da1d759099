import type { CassioError } from '@cassiopeia/client'
import { Cluster, memberIn } from './processes'
import { confinedTo } from './sockets'
import { type Call, Workload } from './workload'
import { Cleanup, until } from './world'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

/** The client's defaults, which the bounds below are multiples of. */
const HEDGE_AFTER_MS = 50
const ATTEMPT_TIMEOUT_MS = 250
const TIMEOUT_MS = 15_000
const settings = {
  hedgeAfterMs: HEDGE_AFTER_MS,
  attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
  timeoutMs: TIMEOUT_MS,
}

function slowest(calls: readonly Call[]): number {
  return calls.reduce((most, { startedMs, endedMs }) => Math.max(most, endedMs - startedMs), 0)
}

describe('processes: SIGSTOP of one of three', () => {
  test('cluster: a node stopped under load: QUORUM goes around it in a few hedges and attempts (RF=3)', async () => {
    const cluster = await Cluster.start(cleanup)
    const [witness, , frozen] = cluster.nodes
    const workload = new Workload('paused')
    // One client begins at each node, one of them at the node that will be stopped.
    const clients = await Promise.all(
      cluster.addresses.map((address) => cluster.client({ ...settings, contactPoints: [address] })),
    )
    for (const client of clients) workload.run(client, 3)
    await until('a warm start', () => workload.succeededSince(0) >= 600)
    const stoppedMs = performance.now()
    const calm = slowest(workload.calls)
    frozen!.pause()
    await until('the stopped node is suspected', async () => {
      const status = await clients[0]!.status(witness!.address)
      return memberIn(status, frozen!.address).state === 'suspected'
    })
    await until('calls while it is stopped', () => workload.succeededSince(stoppedMs) >= 600)
    const resumedMs = performance.now()
    frozen!.resume()
    await cluster.untilWhole()
    await until('calls after it', () => workload.succeededSince(resumedMs) >= 600)
    await workload.stop()

    expect(workload.failed).toEqual([])
    expect(workload.lies).toEqual([])
    const during = workload.calls.filter((call) => call.endedMs > stoppedMs)
    const reads = during.filter((call) => call.verb === 'get')
    const writes = during.filter((call) => call.verb !== 'get')
    // The node that is asked second may itself have to go around the stopped one; and a machine with
    // other things to do shows in the calm before.
    const slack = 2 * calm + 500
    expect(slowest(reads)).toBeLessThan(6 * HEDGE_AFTER_MS + slack)
    expect(slowest(writes)).toBeLessThan(2 * ATTEMPT_TIMEOUT_MS + slack)
    expect(slowest(during)).toBeLessThan(TIMEOUT_MS / 3)
    for (const consistency of ['QUORUM', 'ALL'] as const) {
      await workload.verify(clients[0]!, consistency)
    }
    expect(workload.lies).toEqual([])
  })

  test('deadlines: requests that wait in a stopped node: are dropped when it resumes (RF=3)', async () => {
    const cluster = await Cluster.start(cleanup)
    const [witness, , frozen] = cluster.nodes
    const client = await cluster.client(settings)
    const trapped = await cluster.client({
      contactPoints: [frozen!.address],
      ports: confinedTo(frozen!.address),
    })
    const keys = Array.from({ length: 60 }, (_, i) => `late-${i}`)
    await client.setMany(
      keys.map((key) => [key, 'before']),
      { consistency: 'ALL' },
    )
    frozen!.pause()
    // These reach the stopped node's socket and nothing else. Nobody knows what will become of them.
    const late = keys.map((key) => {
      const value = `${key}-late`
      return trapped.set(key, value, { timeoutMs: 400 }).then(
        () => 'acknowledged',
        (error: CassioError) => `${error.code} ${error.applied}`,
      )
    })
    expect(new Set(await Promise.all(late))).toEqual(new Set(['CASSIO_TIMEOUT unknown']))
    // Half of the keys are written again, through the others: some now, some many times.
    const rewritten = new Map<string, { value: string; stamp: string }>()
    for (const [i, key] of keys.entries()) {
      if (i % 2 === 1) continue
      for (let turn = 0; turn <= i % 3; turn += 1) {
        const value = `${key}-${turn}`
        const { stamp } = await client.set(key, value)
        rewritten.set(key, { value, stamp })
      }
    }
    const status = await client.status(witness!.address)
    const { heartbeat } = memberIn(status, frozen!.address)
    frozen!.resume()
    await cluster.untilWhole()
    // By its answer on the very same connection it has worked through what waited there.
    const own = await until('the resumed node answers', () => trapped.status(frozen!.address))
    expect(own.counters.expired).toBeGreaterThanOrEqual(keys.length)
    await until('some more of its heartbeats', async () => {
      const now = memberIn(await client.status(witness!.address), frozen!.address)
      return now.heartbeat > heartbeat + 5
    })
    for (const consistency of ['QUORUM', 'ALL'] as const) {
      for (const key of keys) {
        const expected = rewritten.get(key)?.value ?? 'before'
        expect([key, await client.get(key, { consistency })]).toEqual([key, expected])
      }
    }
    for (const [key, { stamp }] of rewritten) {
      expect((await client.explain(key)).winner).toBe(stamp)
    }
  })
})
