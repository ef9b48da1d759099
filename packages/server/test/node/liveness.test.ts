import { KeyedRandom } from '@cassiopeia/env'
import { ConsistencyLevel, decodeResult, MessageType } from '@cassiopeia/protocol'
import type { SimulatedCluster } from '../../src'
import { connectClient, failure, keyHeldBy, withCluster } from './support'
import { cellOf, WireClient } from './wire-client'

/** Links without the rare slow packet, so that times can be told. */
function calmLinks(cluster: SimulatedCluster): void {
  cluster.simulation.setLink({ latencyMinMs: 0.5, latencyMaxMs: 1, tailProbability: 0 })
}

async function stateSeenBy(cluster: SimulatedCluster, observer: number, member: number) {
  const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[observer]!, {
    name: 'observer',
  })
  wire.call(1, 'status')
  const { members } = decodeResult(await wire.next(MessageType.RESULT)) as {
    members: { address: string; state: string }[]
  }
  wire.destroy()
  return members.find((each) => each.address === cluster.contactPoints[member])!.state
}

describe('liveness', () => {
  it('liveness: a replica is paused: every read ends within the hedge and a few milliseconds', async () => {
    await withCluster(
      { nodes: 3, seed: 1, node: { hedgeMinMs: 10, hedgeMaxMs: 20 } },
      async (cluster) => {
        calmLinks(cluster)
        const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[0]!)
        for (let id = 1; id <= 20; id += 1) {
          wire.put(id, cellOf(`k${id}`, 'v'))
          expect(await wire.answer(id)).toBe('written')
        }
        cluster.pause(1)
        let slowestMs = 0
        for (let id = 21; id <= 40; id += 1) {
          const startMs = cluster.simulation.nowMs
          wire.get(id, `k${id - 20}`)
          expect(await wire.answer(id)).toBe('found')
          slowestMs = Math.max(slowestMs, cluster.simulation.nowMs - startMs)
        }
        expect(slowestMs).toBeLessThan(20 + 5 + 10)
        expect(cluster.node(0).counters.hedges).toBeGreaterThan(0)
        cluster.resume(1)
      },
    )
  })

  it.each(['killed', 'without power', 'paused'])(
    'liveness: a node is %s: suspected within 5 s, alive again within 3 s of its return',
    async (what) => {
      await withCluster({ nodes: 3, seed: 2 }, async (cluster) => {
        await cluster.advance(5_000)
        expect(await stateSeenBy(cluster, 0, 2)).toBe('alive')
        if (what === 'killed') cluster.kill(2)
        else if (what === 'paused') cluster.pause(2)
        else cluster.powerCut(2)
        await cluster.advance(5_000)
        expect(await stateSeenBy(cluster, 0, 2)).toBe('suspected')
        await cluster.advance(30_000)
        expect(await stateSeenBy(cluster, 0, 2)).toBe('suspected')
        if (what === 'paused') cluster.resume(2)
        else await cluster.run(cluster.restart(2))
        await cluster.advance(3_000)
        for (const [from, to] of [
          [0, 2],
          [1, 2],
          [2, 0],
          [2, 1],
        ] as const) {
          expect(await stateSeenBy(cluster, from, to)).toBe('alive')
        }
      })
    },
  )

  it('liveness: a partition: the majority serves, the minority refuses before it writes; both agree after', async () => {
    await withCluster({ nodes: 3, seed: 3 }, async (cluster) => {
      const major = await connectClient(cluster, { name: 'major' })
      await cluster.run(major.set('k', 'before'))
      const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[2]!, {
        name: 'minor',
      })
      cluster.partition([
        [0, 1, 'major'],
        [2, 'minor'],
      ])
      await cluster.advance(6_000)
      await cluster.run(major.set('k', 'during'))
      wire.put(1, cellOf('k', 'minority'))
      expect(await wire.answer(1)).toBe('CASSIO_UNAVAILABLE')
      wire.get(2, 'k')
      expect(await wire.answer(2)).toBe('CASSIO_UNAVAILABLE')
      wire.get(3, 'k', { level: ConsistencyLevel.ONE })
      expect((await wire.next(MessageType.FOUND)).toString()).toContain('before')
      cluster.heal()
      await cluster.advance(10_000)
      wire.get(4, 'k')
      expect((await wire.next(MessageType.FOUND)).toString()).toContain('during')
      await cluster.run(major.disconnect())
    })
  })

  it('liveness: no majority answers in time: TIMEOUT, unknown, with a stamp; repeated it is the same write', async () => {
    await withCluster({ nodes: 3, seed: 4 }, async (cluster) => {
      const client = await connectClient(cluster, { timeoutMs: 800 })
      cluster.pause(1)
      cluster.pause(2)
      const error = await cluster.run(failure(client.set('k', 'v')))
      expect(error).toMatchObject({ code: 'CASSIO_TIMEOUT', applied: 'unknown' })
      cluster.resume(1)
      cluster.resume(2)
      await cluster.advance(5_000)
      if (error.stamp !== undefined) {
        const receipt = await cluster.run(client.set('k', 'v', { timestamp: error.stamp }))
        expect(receipt.stamp).toBe(error.stamp)
      }
      await cluster.run(client.disconnect())
    })
  })

  it('liveness: a node was stopped for a minute: what waited at it past its deadline is not done', async () => {
    await withCluster({ nodes: 1, seed: 5 }, async (cluster) => {
      const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[0]!)
      cluster.pause(0)
      wire.put(1, cellOf('k', 'late'), { deadline: wire.deadline(2_000) })
      wire.get(2, 'k', { deadline: wire.deadline(2_000) })
      await cluster.advance(60_000)
      cluster.resume(0)
      expect(await wire.answer(1)).toBe('CASSIO_TIMEOUT')
      expect(await wire.answer(2)).toBe('CASSIO_TIMEOUT')
      wire.get(3, 'k')
      expect(await wire.answer(3)).toBe('not found')
      expect(cluster.node(0).counters.expired).toBe(2)
    })
  })

  it('liveness: a replica was stopped: a write past its deadline is not applied there', async () => {
    // What is kept for them, or copied to them, would come after all.
    const node = { hintBytesMax: 0, antiEntropy: false, readRepairPercent: 0 }
    await withCluster({ nodes: 3, seed: 6, node }, async (cluster) => {
      const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[0]!)
      cluster.pause(1)
      cluster.pause(2)
      wire.put(1, cellOf('k', 'late'), { deadline: wire.deadline(500) })
      expect(await wire.answer(1)).toBe('CASSIO_TIMEOUT')
      await cluster.advance(3_000)
      cluster.resume(1)
      cluster.resume(2)
      await cluster.advance(3_000)
      for (const index of [1, 2]) {
        const other = await WireClient.connect(cluster.simulation, cluster.contactPoints[index]!)
        other.get(1, 'k', { level: ConsistencyLevel.ONE })
        expect(await other.answer(1)).toBe('not found')
      }
      expect(cluster.node(1).counters.expired + cluster.node(2).counters.expired).toBe(2)
    })
  })

  it.each([1, 2])(
    'liveness: damaged, split and reset links between nodes: no wrong value, and all is well after (seed %d)',
    async (seed) => {
      const cluster = await withCluster({ nodes: 3, seed }, async (cluster) => {
        const { simulation } = cluster
        const client = await connectClient(cluster, { timeoutMs: 1_000 })
        const faults = { corruptProbability: 0.01, splitProbability: 0.3, resetProbability: 0.002 }
        for (const a of [0, 1, 2]) {
          for (const b of [0, 1, 2]) {
            if (a !== b) simulation.setLink(faults, `node-${a}`, `node-${b}`)
          }
        }
        const tried = new Map<string, Set<number>>()
        let acked = 0
        for (let i = 0; i < 200; i += 1) {
          const key = `k${i % 10}`
          tried.set(key, (tried.get(key) ?? new Set()).add(i))
          acked += await cluster.run(client.set(key, i)).then(
            () => 1,
            () => 0,
          )
          const value = await cluster.run(client.get<number>(key)).catch(() => undefined)
          if (value !== undefined) expect(tried.get(key)!.has(value)).toBe(true)
        }
        expect(acked).toBeGreaterThan(150)
        simulation.setLink({ corruptProbability: 0, resetProbability: 0, splitProbability: 0 })
        for (const a of [0, 1, 2]) {
          for (const b of [0, 1, 2]) if (a !== b) simulation.setLink({}, `node-${a}`, `node-${b}`)
        }
        // A damaged length makes a reader wait for bytes that never come: until silence is noticed.
        await cluster.advance(25_000)
        for (let i = 0; i < 20; i += 1)
          await cluster.run(client.set(`after-${i}`, i, { consistency: 'ALL' }))
        await cluster.run(client.disconnect())
      })
      expect(cluster.fatalErrors).toEqual([])
    },
  )

  it('liveness: large values to and from a peer at once: its connection does not wait for itself', async () => {
    const node = { replicationFactor: 1, outputPauseBytes: 300_000 }
    await withCluster({ nodes: 2, seed: 7, node }, async (cluster) => {
      cluster.simulation.setLink({ bytesPerMs: 20_000 })
      const client = await connectClient(cluster)
      const key = keyHeldBy(client, cluster.contactPoints[1]!)
      const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[0]!)
      const cell = cellOf(key, Buffer.alloc(500_000, 7))
      wire.put(1, cell)
      expect(await wire.answer(1)).toBe('written')
      const deadline = wire.deadline(60_000)
      for (let id = 2; id < 42; id += 2) {
        wire.put(id, cell, { deadline })
        wire.get(id + 1, key, { deadline })
      }
      const answers = new Set<string>()
      for (let id = 2; id < 42; id += 1) answers.add(await wire.answer(id))
      expect([...answers].sort()).toEqual(['found', 'written'])
      const lost = cluster
        .machine(0)
        .logLines()
        .filter(({ event }) => event === 'peer lost')
      expect(lost).toEqual([])
      await cluster.run(client.disconnect())
    })
  })
})

describe('close', () => {
  it('close: requests in flight are answered, the node ends, and nothing is left to do', async () => {
    for (let seed = 1; seed <= 8; seed += 1) {
      await withCluster({ nodes: 3, seed }, async (cluster) => {
        const random = new KeyedRandom(seed, 'close')
        const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[0]!)
        cluster.pause(1)
        cluster.pause(2)
        for (let id = 1; id <= 10; id += 1) wire.put(id, cellOf(`k${id}`, 'v'))
        wire.call(11, 'scan', { partition: 0, limit: 10, level: 'ALL', keysOnly: true })
        await cluster.advance(random.below(5) + 1)
        const { disk } = cluster.machine(0)
        disk.faults.slowFactor = 1 + random.below(100)
        // Whatever it may be doing just now, a reservation above all.
        await cluster.advance(random.below(900))
        const node = cluster.node(0)
        await cluster.run(Promise.all([node.close(), node.close()]))
        const calls = disk.ioCalls
        const answers: string[] = []
        for (let id = 1; id <= 11; id += 1) answers.push(await wire.answer(id))
        for (const answer of answers)
          expect(answer).toMatch(/^(CASSIO_CLOSED|closed: CASSIO_CLOSED)/)
        await wire.untilClosed(20_000)
        await cluster.advance(20_000)
        expect([seed, disk.ioCalls]).toEqual([seed, calls])
        cluster.resume(1)
        cluster.resume(2)
      })
    }
  })

  it('close: after the disk has failed: nothing more is written, the directory is free', async () => {
    await withCluster({ nodes: 1, seed: 1 }, async (cluster) => {
      const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[0]!)
      const { disk } = cluster.machine(0)
      disk.faults.syncFailProbability = 1
      wire.put(1, cellOf('k', 'v'))
      await wire.untilClosed(10_000)
      disk.faults.clear()
      await cluster.advance(1_000)
      const calls = disk.ioCalls
      await cluster.advance(20_000)
      expect(disk.ioCalls).toBe(calls)
    })
  })

  it('close: a replica with acknowledged writes is closed and started: they are there', async () => {
    await withCluster({ nodes: 1, seed: 2 }, async (cluster) => {
      const client = await connectClient(cluster)
      const { stamp } = await cluster.run(client.set('k', 'v'))
      await cluster.run(cluster.node(0).close())
      cluster.kill(0)
      await cluster.run(cluster.restart(0))
      const entry = await cluster.run(client.getEntry('k'))
      expect(entry).toMatchObject({ value: 'v', stamp })
      await cluster.run(client.disconnect())
    })
  })
})

describe('determinism', () => {
  it('determinism: one scenario twice: the same history; another seed: another', async () => {
    const scenario = async (seed: number): Promise<number> => {
      const cluster = await withCluster({ nodes: 3, seed }, async (cluster) => {
        const client = await connectClient(cluster)
        for (let i = 0; i < 20; i += 1) {
          if (i === 5) cluster.kill(1)
          if (i === 10) await cluster.run(cluster.restart(1))
          if (i === 12) cluster.partition([[0], [1, 2, 'client']])
          if (i === 15) cluster.heal()
          await cluster.run(client.set(`k${i % 4}`, i)).catch(() => {})
        }
        await cluster.run(client.get('k1')).catch(() => {})
        await cluster.run(client.disconnect())
      })
      return cluster.simulation.traceHash
    }
    const [first, again, other] = [await scenario(1), await scenario(1), await scenario(2)]
    expect(again).toBe(first)
    expect(other).not.toBe(first)
  })
})
