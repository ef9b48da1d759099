import { ConsistencyLevel, formatStamp, MessageType, Written } from '@cassiopeia/protocol'
import type { SimulatedCluster } from '../../src'
import { connectClient, withCluster } from './support'
import { cellOf, WireClient } from './wire-client'

describe('durability', () => {
  it.each([1, 2, 3, 4, 5])(
    'durability: every machine loses power at once: all acknowledged writes are read back (seed %d)',
    async (seed) => {
      const cluster = await withCluster(
        { nodes: 3, seed, node: { segmentBytes: 4_096 } },
        async (cluster) => {
          const random = cluster.simulation.random('workload')
          const client = await connectClient(cluster, { timeoutMs: 500 })
          const acked = new Map<string, number>()
          const maybe = new Map<string, Set<number>>()
          const write = async (i: number): Promise<void> => {
            const key = `k${random.below(30)}`
            maybe.set(key, (maybe.get(key) ?? new Set()).add(i))
            await client.set(key, i)
            // The writes of one key overlap, so the latest to be acknowledged need not be the newest.
            acked.set(key, i)
          }
          const work = Array.from({ length: 200 }, async (_, i) => {
            await cluster.simulation.sleep(random.below(400))
            await write(i)
          })
          void Promise.allSettled(work)
          await cluster.advance(50 + random.below(300))
          const before = new Map(acked)
          for (const index of [0, 1, 2]) cluster.powerCut(index)
          await cluster.advance(100)
          await cluster.run(Promise.all([0, 1, 2].map((index) => cluster.restart(index))))
          await cluster.advance(3_000)
          const reader = await connectClient(cluster, { name: 'reader' })
          for (const key of before.keys()) {
            const value = await cluster.run(reader.get<number>(key))
            expect(maybe.get(key)!.has(value!)).toBe(true)
          }
          expect(before.size).toBeGreaterThan(3)
          await cluster.run(reader.disconnect())
          await cluster.run(client.disconnect())
        },
      )
      expect(cluster.fatalErrors).toEqual([])
    },
  )

  it.each([1, 2, 3, 4])(
    'durability: one writer, one key, power cuts: what is read is never older than what was acknowledged (seed %d)',
    async (seed) => {
      await withCluster({ nodes: 3, seed }, async (cluster) => {
        const { simulation } = cluster
        const random = simulation.random('workload')
        const client = await connectClient(cluster, { timeoutMs: 2_000 })
        let acked = -1
        for (let i = 0; i < 60; i += 1) {
          if (random.chance(0.15)) {
            const index = random.below(3)
            if (cluster.isRunning(index)) {
              if (random.chance(0.5)) cluster.powerCut(index)
              else cluster.kill(index)
              simulation.at(simulation.nowMs + random.below(300), () => {
                void cluster.restart(index).catch(() => {})
              })
            }
          }
          try {
            await cluster.run(client.set('k', i))
            acked = i
          } catch {
            // It may be applied, now or later, or not.
          }
          const value = await cluster.run(client.get<number>('k')).catch(() => acked)
          if (value !== undefined) expect(value).toBeGreaterThanOrEqual(acked)
          else expect(acked).toBe(-1)
        }
        expect(acked).toBeGreaterThan(20)
        await cluster.run(client.disconnect())
      })
    },
  )

  it.each(['fsync fails', 'the disk is full', 'writes are cut short'])(
    'durability: %s: nothing is told to be written, and what was acknowledged is there after a restart',
    async (what) => {
      for (let seed = 1; seed <= 4; seed += 1) {
        const cluster = await withCluster({ nodes: 1, seed }, async (cluster) => {
          const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[0]!)
          const { disk } = cluster.machine(0)
          const answers: string[] = []
          for (let id = 1; id <= 20; id += 1) {
            if (id === 10) {
              if (what === 'fsync fails') disk.faults.syncFailProbability = 1
              else if (what === 'the disk is full') disk.faults.quotaBytes = 1
              else disk.faults.shortWriteProbability = 1
            }
            wire.put(id, cellOf(`k${id}`, `v${id}`))
            answers[id] = await wire.answer(id)
          }
          expect(answers.slice(1, 10).every((answer) => answer === 'written')).toBe(true)
          expect(answers.slice(10).some((answer) => answer === 'written')).toBe(false)
          await cluster.advance(1_000)
          // A full disk may have room again; of the others nobody knows what is on them.
          expect(cluster.isRunning(0)).toBe(what === 'the disk is full')
          disk.faults.clear()
          if (seed % 2 === 0) cluster.machine(0).powerCut()
          else if (cluster.isRunning(0)) cluster.kill(0)
          await cluster.run(cluster.restart(0))
          const again = await WireClient.connect(cluster.simulation, cluster.contactPoints[0]!)
          for (let id = 1; id < 10; id += 1) {
            again.get(id, `k${id}`)
            expect(await again.answer(id)).toBe('found')
          }
        })
        const expected = what === 'the disk is full' ? [] : ['CASSIO_STORAGE']
        expect(cluster.fatalErrors.map((error) => error.code)).toEqual(expected)
      }
    },
  )

  it('durability: the disk of one replica fails: writes go on at QUORUM, the client sees none of it', async () => {
    await withCluster({ nodes: 3, seed: 3 }, async (cluster) => {
      const client = await connectClient(cluster)
      for (let i = 0; i < 30; i += 1) {
        if (i === 10) cluster.machine(1).disk.faults.syncFailProbability = 1
        await cluster.run(client.set(`k${i}`, i))
      }
      expect([cluster.isRunning(1), cluster.fatalErrors.length]).toEqual([false, 1])
      for (let i = 0; i < 30; i += 1) expect(await cluster.run(client.get(`k${i}`))).toBe(i)
      await cluster.run(client.disconnect())
    })
  })
})

describe('read repair', () => {
  it('read repair: a replica that missed a write: repaired before the answer, and holds it then', async () => {
    const node = { hintBytesMax: 0, antiEntropy: false }
    await withCluster({ nodes: 3, seed: 1, node }, async (cluster) => {
      const client = await connectClient(cluster)
      await cluster.run(client.set('k', 'old', { consistency: 'ALL' }))
      cluster.kill(2)
      await cluster.run(client.set('k', 'new'))
      await cluster.run(cluster.restart(2))
      await cluster.advance(3_000)
      const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[2]!)
      wire.get(1, 'k', { level: ConsistencyLevel.ONE })
      expect((await wire.next(MessageType.FOUND)).toString()).toContain('old')
      wire.get(2, 'k', { level: ConsistencyLevel.QUORUM })
      expect((await wire.next(MessageType.FOUND)).toString()).toContain('new')
      expect(cluster.node(2).counters.readRepairs).toBe(1)
      wire.get(3, 'k', { level: ConsistencyLevel.ONE })
      expect((await wire.next(MessageType.FOUND)).toString()).toContain('new')
      const { votes } = await cluster.run(client.explain('k'))
      expect(votes.map((vote) => vote.verdict)).toEqual(['newest', 'newest', 'newest'])
      await cluster.run(client.disconnect())
    })
  })

  it('read repair: a delete was missed: the value does not come back', async () => {
    await withCluster({ nodes: 3, seed: 2 }, async (cluster) => {
      const client = await connectClient(cluster)
      await cluster.run(client.set('k', 'old', { consistency: 'ALL' }))
      cluster.kill(0)
      await cluster.run(client.del('k'))
      await cluster.run(cluster.restart(0))
      await cluster.advance(3_000)
      for (const index of [0, 1, 2]) {
        const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[index]!)
        wire.get(1, 'k')
        expect(await wire.answer(1)).toBe('not found')
      }
      const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[0]!)
      wire.get(1, 'k', { level: ConsistencyLevel.ONE })
      expect(await wire.answer(1)).toBe('not found')
      await cluster.run(client.disconnect())
    })
  })

  it('read repair: two values under one stamp of the client: all replicas end with the same', async () => {
    await withCluster({ nodes: 3, seed: 3 }, async (cluster) => {
      const stamp = cluster.machine(0).ports.clock.wallMs()
      const level = ConsistencyLevel.ONE
      for (const [index, value] of ['a', 'c', 'b'].entries()) {
        cluster.partition([[index, `wire-${index}`], [0, 1, 2].filter((each) => each !== index)])
        const name = `wire-${index}`
        const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[index]!, {
          name,
        })
        wire.put(1, cellOf('k', value, stamp), { level })
        expect(await wire.answer(1)).toBe('written')
        wire.destroy()
        // What was on its way to the others ends with its connection.
        for (const other of [0, 1, 2]) {
          if (other !== index) cluster.simulation.resetConnections(`node-${index}`, `node-${other}`)
        }
        cluster.heal()
        await cluster.advance(3_000)
      }
      const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[0]!)
      wire.get(1, 'k', { level: ConsistencyLevel.ALL })
      expect((await wire.next(MessageType.FOUND)).toString('latin1').endsWith('c')).toBe(true)
      for (const index of [0, 1, 2]) {
        const each = await WireClient.connect(cluster.simulation, cluster.contactPoints[index]!)
        each.get(1, 'k', { level })
        expect((await each.next(MessageType.FOUND)).toString('latin1').endsWith('c')).toBe(true)
      }
    })
  })
})

describe('restamp', () => {
  it('restamp: a coordinator a second ahead, then another writes: the later write wins', async () => {
    await withCluster({ nodes: 6, seed: 1, node: { replicationFactor: 3 } }, async (cluster) => {
      const client = await connectClient(cluster)
      // Neither coordinator holds the key, so the second has never met the first one's stamp.
      const key = keyHeldByNeither(cluster, client)
      cluster.skewClock(0, 1_000)
      await cluster.advance(1_000)
      const stamps: string[] = []
      for (const [index, value] of [
        [0, 'first'],
        [1, 'second'],
      ] as const) {
        const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[index]!)
        wire.put(1, cellOf(key, value))
        const written = await wire.next(MessageType.WRITTEN)
        stamps.push(formatStamp(written, Written.stamp))
        expect(written[Written.flags]).toBe(0)
      }
      expect(cluster.node(1).counters.restamps).toBeGreaterThan(0)
      expect(Number(stamps[1]!.split('-')[0])).toBeGreaterThanOrEqual(
        Number(stamps[0]!.split('-')[0]),
      )
      expect(await cluster.run(client.get(key))).toBe('second')
      expect(await cluster.run(client.get(key, { consistency: 'ALL' }))).toBe('second')
      await cluster.run(client.disconnect())
    })
  })

  it.each([2, 3, 4])(
    'restamp: clocks jump either way, writers take turns: the last acknowledged value is read (seed %d)',
    async (seed) => {
      await withCluster({ nodes: 5, seed }, async (cluster) => {
        const random = cluster.simulation.random('clocks')
        const wires = await Promise.all(
          cluster.contactPoints.map((_, i) =>
            WireClient.dial(cluster.simulation, cluster.contactPoints[i]!),
          ),
        )
        for (const wire of wires) await wire.handshake()
        for (let i = 0; i < 80; i += 1) {
          if (random.chance(0.2)) cluster.skewClock(random.below(5), random.below(3_000) - 1_500)
          if (random.chance(0.2)) await cluster.advance(random.below(300))
          const key = `k${random.below(3)}`
          const [writer, reader] = [wires[random.below(5)]!, wires[random.below(5)]!]
          let answer = ''
          // Until it has heard the others' clocks again, a node whose clock has jumped refuses.
          for (let attempt = 0; attempt < 20 && answer !== 'written'; attempt += 1) {
            if (attempt > 0) await cluster.advance(200)
            writer.put(1_000 * i + attempt, cellOf(key, `value ${i}.`))
            answer = await writer.answer(1_000 * i + attempt)
            expect(['written', 'CASSIO_STAMP_AHEAD']).toContain(answer)
          }
          expect([i, answer]).toEqual([i, 'written'])
          reader.get(1_000 * i + 999, key)
          expect((await reader.next(MessageType.FOUND)).toString('latin1')).toContain(`value ${i}.`)
        }
      })
    },
  )

  it('restamp: a stamp of the client under a newer version: superseded, not moved', async () => {
    await withCluster({ nodes: 3, seed: 2 }, async (cluster) => {
      const client = await connectClient(cluster)
      const first = await cluster.run(client.set('k', 'new'))
      const receipt = await cluster.run(client.set('k', 'old', { timestamp: 1_000 }))
      expect(receipt).toMatchObject({ superseded: true, stamp: '1000-0-0000000000000000' })
      expect(await cluster.run(client.get('k'))).toBe('new')
      const repeated = await cluster.run(client.set('k', 'new', { timestamp: first.stamp }))
      expect(repeated.stamp).toBe(first.stamp)
      await cluster.run(client.disconnect())
    })
  })

  it('restamp: a write waits for its stamp while a replica is lost: not acknowledged before it was sent', async () => {
    await withCluster({ nodes: 3, seed: 5 }, async (cluster) => {
      const wire = await WireClient.connect(cluster.simulation, cluster.contactPoints[0]!)
      // The first write of this key is acknowledged while one replica still owes its answer.
      cluster.pause(2)
      wire.put(1, cellOf('a', 'v'))
      expect(await wire.answer(1)).toBe('written')
      cluster.machine(0).disk.faults.slowFactor = 500
      // A stamp far ahead, taken by all replicas: the next one of this node has to be reserved first.
      const other = await WireClient.connect(cluster.simulation, cluster.contactPoints[1]!)
      other.put(1, cellOf('c', 'v', other.process.ports.clock.wallMs() + 9_000))
      await cluster.advance(10)
      wire.put(2, cellOf('a', 'w'))
      await cluster.advance(5)
      cluster.kill(2)
      const written = await wire.next(MessageType.WRITTEN)
      expect(formatStamp(written, Written.stamp)).not.toMatch(/^0-0-/)
      cluster.machine(0).disk.faults.slowFactor = 1
      wire.get(3, 'a')
      expect(await wire.answer(3)).toBe('found')
    })
  })
})

function keyHeldByNeither(
  cluster: SimulatedCluster,
  client: Awaited<ReturnType<typeof connectClient>>,
): string {
  const [a, b] = cluster.contactPoints
  for (let i = 0; i < 10_000; i += 1) {
    const held = client.where(`key-${i}`).replicas.map((replica) => replica.address)
    if (!held.includes(a!) && !held.includes(b!)) return `key-${i}`
  }
  throw new Error('no such key')
}
