import { CassioError } from '@cassiopeia/client'
import { Cluster, memberIn } from './processes'
import { confinedTo } from './sockets'
import { Workload } from './workload'
import { Cleanup, until } from './world'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

/** What a call that was under way when a node died may end with. */
const IN_FLIGHT = ['CASSIO_TIMEOUT', 'CASSIO_CONNECTION', 'CASSIO_FAILED', 'CASSIO_UNAVAILABLE']
const KEYS = Array.from({ length: 120 }, (_, i) => `kept-${i}`)

/** The gossip detector's own bounds, by the clock of the node that judges. */
const SUSPECTED_WITHIN_MS = 5_000
const ALIVE_WITHIN_MS = 3_000

describe('processes: kill -9 of one of three', () => {
  test('cluster: one node killed under load: QUORUM goes on, ALL names it, it returns (RF=3)', async () => {
    const cluster = await Cluster.start(cleanup)
    const witness = cluster.nodes[0]!
    const victim = cluster.nodes[2]!
    const client = await cluster.client()
    await client.setMany(
      KEYS.map((key) => [key, `${key}-before`]),
      { consistency: 'ALL' },
    )
    const { generation } = memberIn(await client.status(victim.address), victim.address)

    const workload = new Workload('load')
    workload.run(client, 8)
    const enough = (sinceMs: number) => () => workload.succeededSince(sinceMs) >= 400
    await until('calls before the kill', enough(0))
    const before = await client.status(witness.address)
    const killedMs = performance.now()
    await victim.kill()

    const after = await until('the dead node is suspected', async () => {
      const status = await client.status(witness.address)
      return memberIn(status, victim.address).state === 'suspected' && status
    })
    expect(after.uptimeMs - before.uptimeMs).toBeLessThan(SUSPECTED_WITHIN_MS)
    expect(memberIn(after, victim.address).connected).toBe(false)
    await until('calls after the kill', enough(performance.now()))
    await workload.stop()
    expect(workload.lies).toEqual([])
    // Only what was under way may have failed, and only in the ways that are promised.
    expect(workload.failed.filter(({ startedMs }) => startedMs > killedMs)).toEqual([])
    expect(workload.failed.filter(({ error }) => !IN_FLIGHT.includes(error!.code))).toEqual([])

    for (const call of [
      () => client.set('all', 'x', { consistency: 'ALL' }),
      () => client.get(KEYS[0]!, { consistency: 'ALL' }),
      () => client.del('all', { consistency: 'ALL' }),
    ]) {
      const error = await call().then(unexpected, (thrown: CassioError) => thrown)
      expect(error).toBeInstanceOf(CassioError)
      expect(error.code).toBe('CASSIO_UNAVAILABLE')
      expect(error.message).toContain(victim.address)
      expect(error.causes.map(({ node }) => node)).toContain(victim.address)
      expect(error.applied).toBe('none')
    }
    for (const key of KEYS) {
      expect(await client.get(key, { consistency: 'ONE' })).toBe(`${key}-before`)
    }
    // What happens while it is away: a third overwritten, a third deleted, a third left alone.
    for (const [i, key] of KEYS.entries()) {
      if (i % 3 === 0) await client.set(key, `${key}-after`)
      if (i % 3 === 1) await client.del(key)
    }

    victim.start()
    await victim.untilSaid('listening')
    const returned = await client.status(witness.address)
    const alive = await until('the node that returned is alive', async () => {
      const status = await client.status(witness.address)
      const member = memberIn(status, victim.address)
      return member.state === 'alive' && member.generation > generation && status
    })
    expect(alive.uptimeMs - returned.uptimeMs).toBeLessThan(ALIVE_WITHIN_MS)
    await cluster.untilWhole()

    const alone = await cluster.client({
      contactPoints: [victim.address],
      ports: confinedTo(victim.address),
    })
    for (const [i, key] of KEYS.entries()) {
      const now = i % 3 === 0 ? `${key}-after` : i % 3 === 1 ? undefined : `${key}-before`
      // It has what it had; what it missed it may have learnt meanwhile.
      const own = await alone.get(key, { consistency: 'ONE' })
      expect([`${key}-before`, now]).toContain(own)
      expect(await alone.get(key, { consistency: 'QUORUM' })).toBe(now)
    }
    for (const consistency of ['QUORUM', 'ALL'] as const) await workload.verify(client, consistency)
    expect(workload.lies).toEqual([])
    await client.set('all', 'again', { consistency: 'ALL' })
    expect(await client.get('all', { consistency: 'ALL' })).toBe('again')
  })

  test('cluster: two of three killed: QUORUM is refused before any effect, ONE answers (RF=3)', async () => {
    const cluster = await Cluster.start(cleanup)
    const client = await cluster.client()
    await client.set('key', 'value', { consistency: 'ALL' })
    const [left, ...dead] = cluster.nodes
    await Promise.all(dead.map((node) => node.kill()))
    await until('the dead are suspected', async () => {
      const status = await client.status(left!.address)
      return dead.every((node) => memberIn(status, node.address).state === 'suspected')
    })
    const error = await client.set('key', 'other').then(unexpected, (thrown: CassioError) => thrown)
    expect(error.code).toBe('CASSIO_UNAVAILABLE')
    for (const { address } of dead) expect(error.message).toContain(address)
    expect(error.applied).toBe('none')
    expect(await client.get('key', { consistency: 'ONE' })).toBe('value')
    await client.set('lonely', 'value', { consistency: 'ONE' })

    for (const node of dead) node.start()
    await cluster.untilWhole()
    expect(await client.get('key', { consistency: 'ALL' })).toBe('value')
    expect(await client.get('lonely', { consistency: 'ALL' })).toBe('value')
  })
})

function unexpected(): never {
  throw new Error('it should have been refused')
}
