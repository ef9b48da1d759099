import { Cluster, cassio } from './processes'
import { Cleanup } from './world'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

/** Nothing heals by itself here: neither by hints nor by and by. */
const FLAGS = ['--anti-entropy', 'false', '--hint-bytes-max', '0', '--repair-lag-ms', '10']
const KEYS = Array.from({ length: 60 }, (_, i) => `key-${i}`)
const PARTITIONS = 4096

async function repair(cluster: Cluster, ...args: string[]) {
  const contact = cluster.addresses.slice(0, 2).join()
  return cassio(['repair', '--contact', contact, ...args], cleanup)
}

describe('processes: cassio repair', () => {
  test('a replica that missed writes: gets them, and what was deleted may be forgotten', async () => {
    const cluster = await Cluster.start(cleanup, { flags: FLAGS })
    const client = await cluster.client()
    const victim = cluster.nodes[2]!
    await client.setMany(
      KEYS.map((key) => [key, 'old']),
      { consistency: 'ALL' },
    )
    await victim.kill()
    await client.setMany(KEYS.map((key) => [key, 'new']))
    await client.del(KEYS[0]!)

    const without = await repair(cluster)
    expect(without.code).toBe(1)
    expect(without.stdout).toContain(`0 of ${PARTITIONS} partitions verified`)
    expect(without.stdout).toContain(victim.address)
    expect(await client.explain(KEYS[0]!)).toMatchObject({
      outcome: 'tombstone',
      purge: {
        state: 'waiting',
        blockers: expect.arrayContaining([expect.objectContaining({ node: victim.address })]),
      },
    })

    victim.start()
    await cluster.untilWhole()
    const partitions = new Set(KEYS.map((key) => client.where(key).partition)).size
    const one = await repair(cluster, '--json', '--key', KEYS[0]!, KEYS[1]!)
    expect(JSON.parse(one.stdout)).toMatchObject({ total: 2, verified: 2, differed: 2, cells: 2 })
    const all = await repair(cluster, '--json')
    expect([all.code, JSON.parse(all.stdout)]).toMatchObject([
      0,
      {
        total: PARTITIONS,
        verified: PARTITIONS,
        differed: partitions - 2,
        cells: KEYS.length - 2,
        failures: [],
      },
    ])
    expect(await client.repair()).toMatchObject({ verified: PARTITIONS, differed: 0, cells: 0 })
    for (const key of KEYS.slice(1)) {
      const { votes } = await client.explain(key)
      expect(votes.map(({ verdict }) => verdict)).toEqual(['newest', 'newest', 'newest'])
    }
    const { outcome, purge } = await client.explain(KEYS[0]!)
    // Whoever was quick has forgotten it.
    expect(['tombstone proven', 'none ']).toContain(`${outcome} ${purge?.state ?? ''}`)
    expect(await client.get(KEYS[0]!)).toBeUndefined()
  })

  test('interrupted: the nodes stop', async () => {
    const cluster = await Cluster.start(cleanup, { flags: FLAGS })
    const client = await cluster.client()
    // Asleep it holds up the others until they give it up.
    cluster.nodes[2]!.pause()
    const aborter = new AbortController()
    const repairing = client.repair({
      signal: aborter.signal,
      timeoutMs: 1_000,
      onProgress: () => aborter.abort(),
    })
    await expect(repairing).rejects.toMatchObject({ code: 'CASSIO_ABORTED' })
    cluster.nodes[2]!.resume()
    await cluster.untilWhole()
    expect(await client.repair()).toMatchObject({ verified: PARTITIONS, failures: [] })
  })
})
