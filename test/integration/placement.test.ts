import { Cluster, memberIn } from './processes'
import { confinedTo } from './sockets'
import { Cleanup, until } from './world'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

const NODES = 5
const RF = 3
/** Five starting nodes on a small machine may be slow at first; nothing here is about time. */
const PATIENT_MS = 5_000
const KEYS = Array.from({ length: 1_200 }, (_, i) => `${i % 3 === 0 ? 'third' : 'other'}:${i}`)

describe('processes: five nodes', () => {
  test('cluster: keys lie on their three replicas and are found through every node (N=5, RF=3)', async () => {
    const cluster = await Cluster.start(cleanup, { nodes: NODES, rf: RF })
    const client = await cluster.client({ attemptTimeoutMs: PATIENT_MS })
    await client.setMany(
      KEYS.map((key) => [key, `value of ${key}`]),
      { consistency: 'ALL' },
    )
    const gone = KEYS.filter((_, i) => i % 10 === 9)
    const kept = KEYS.filter((_, i) => i % 10 !== 9)
    await client.delMany(gone, { consistency: 'ALL' })

    // Where the client reckons a key to be is where it is, and nowhere else.
    for (const [i, key] of KEYS.entries()) {
      if (i % 20 > 1 && !gone.includes(key)) continue
      const { replicas, partition, epoch } = client.where(key)
      const explanation = await client.explain(key)
      expect(explanation).toMatchObject({ partition, epoch })
      const voters = explanation.votes.map(({ address }) => address)
      expect(voters.sort()).toEqual(replicas.map(({ address }) => address).sort())
      expect(new Set(voters).size).toBe(RF)
      const state = gone.includes(key) ? 'tombstone' : 'value'
      expect(explanation.outcome).toBe(state)
      for (const vote of explanation.votes) expect(vote).toMatchObject({ state, verdict: 'newest' })
    }
    const copies = new Map(cluster.addresses.map((address) => [address, 0]))
    for (const key of KEYS) {
      for (const { address } of client.where(key).replicas) {
        copies.set(address, copies.get(address)! + 1)
      }
    }
    for (const address of cluster.addresses) {
      const own = memberIn(await client.status(address), address)
      expect([address, own.load?.keys]).toEqual([address, copies.get(address)])
      // Each node has its fair share, to 3 in a hundred.
      const fair = (RF * 2 ** 12) / NODES
      expect(own.partitions).toBeLessThanOrEqual(Math.ceil(1.03 * fair))
      expect(own.partitions).toBeGreaterThanOrEqual(Math.floor(0.97 * fair))
    }

    for (const address of cluster.addresses) {
      const confined = await cluster.client({
        contactPoints: [address],
        ports: confinedTo(address),
      })
      const found = await confined.getMany(KEYS.slice(0, 200))
      expect(found).toEqual(
        KEYS.slice(0, 200).map((key) => (gone.includes(key) ? undefined : `value of ${key}`)),
      )
      const names: string[] = []
      for await (const name of confined.keys({ pageSize: 97 })) names.push(name)
      expect(names.length).toBe(kept.length)
      expect(names.sort()).toEqual([...kept].sort())
      await confined.disconnect()
    }
    const entries = new Map<string, unknown>()
    let count = 0
    for await (const { key, value } of client.scan({ prefix: 'third:', pageSize: 10 })) {
      entries.set(key, value)
      count += 1
    }
    const third = kept.filter((key) => key.startsWith('third:'))
    expect(count).toBe(third.length)
    for (const key of third) expect(entries.get(key)).toBe(`value of ${key}`)
  })

  test('cluster: any one of five killed: QUORUM serves all keys, scans find all (N=5, RF=3)', async () => {
    const cluster = await Cluster.start(cleanup, { nodes: NODES, rf: RF })
    const client = await cluster.client({ attemptTimeoutMs: PATIENT_MS })
    const some = KEYS.slice(0, 300)
    await client.setMany(
      some.map((key) => [key, key]),
      { consistency: 'ALL' },
    )
    const dead = cluster.nodes[3]!
    await dead.kill()
    const living = cluster.nodes.filter((node) => node !== dead)
    for (const { address } of living) {
      await until(`${address} suspects the dead node`, async () => {
        return memberIn(await client.status(address), dead.address).state === 'suspected'
      })
    }
    expect(await client.getMany(some)).toEqual(some)
    await client.setMany(some.map((key) => [key, `${key} again`]))
    const found: string[] = []
    for await (const key of client.keys()) found.push(key)
    expect(found.sort()).toEqual([...some].sort())
    for (const key of some.slice(0, 50)) {
      const isReplica = client.where(key).replicas.some(({ address }) => address === dead.address)
      const { votes } = await client.explain(key)
      const silent = votes.filter(({ state }) => state === 'silent')
      expect(silent.map(({ address }) => address)).toEqual(isReplica ? [dead.address] : [])
      const outcome = await client.get(key, { consistency: 'ALL' }).then(
        (value) => value,
        (error) => error.code,
      )
      expect(outcome).toBe(isReplica ? 'CASSIO_UNAVAILABLE' : `${key} again`)
    }
  })
})
