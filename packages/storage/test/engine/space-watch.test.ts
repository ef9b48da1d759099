import type { SimProcess, Simulation } from '@cassiopeia/env'
import { SpaceWatch } from '../../src/engine/space-watch'
import { plant, simulate } from '../support'

const MIB = 1024 * 1024

/** A disk with 10 MiB of files on it. */
async function world(): Promise<{ sim: Simulation; node: SimProcess }> {
  const made = simulate(1)
  await made.sim.run(() => made.node.ports.disk.makeDirectory('/data'))
  await plant(made.sim, made.node, '/data/ballast', Buffer.alloc(10 * MIB))
  return made
}

function setFree(node: SimProcess, bytes: number): void {
  node.disk.faults.quotaBytes = 10 * MIB + bytes
}

describe('space watch', () => {
  test('space watch: less than the reserve is free: full, and looks until there is more', async () => {
    const { sim, node } = await world()
    const watch = new SpaceWatch('/data', 4 * MIB, node.ports)
    await sim.run(watch.look())
    expect(watch.full).toBe(false)
    await sim.run(watch.whenFree())
    setFree(node, 4 * MIB - 1)
    await sim.run(watch.look())
    expect(watch.full).toBe(true)
    let told = false
    void watch.whenFree().then(() => {
      told = true
    })
    // With a margin, so that it does not go to and fro.
    setFree(node, 4.5 * MIB)
    await sim.advance(5_000)
    expect(watch.full).toBe(true)
    setFree(node, 5 * MIB)
    await sim.advance(1_100)
    expect([watch.full, told]).toEqual([false, true])
    const lines = node.logLines().map(({ event }) => event)
    expect(lines.filter((line) => line.startsWith('disk'))).toHaveLength(2)
  })

  test('space watch: no reserve: full when a write has met it, until a megabyte is free', async () => {
    const { sim, node } = await world()
    const watch = new SpaceWatch('/data', 0, node.ports)
    setFree(node, 0)
    await sim.run(watch.look())
    watch.spend(100 * MIB)
    await sim.advance(5_000)
    expect(watch.full).toBe(false)
    watch.met()
    expect(watch.full).toBe(true)
    setFree(node, MIB - 1)
    await sim.advance(5_000)
    expect(watch.full).toBe(true)
    setFree(node, MIB)
    await sim.advance(1_100)
    expect(watch.full).toBe(false)
  })

  test('space watch: bytes spent: looks now and then only', async () => {
    const { sim, node } = await world()
    const watch = new SpaceWatch('/data', 4 * MIB, node.ports)
    const before = node.disk.ioCalls
    for (let i = 0; i < 15; i += 1) watch.spend(MIB)
    await sim.advance(10)
    expect(node.disk.ioCalls - before).toBe(1)
    setFree(node, MIB)
    watch.spend(MIB)
    await sim.advance(10)
    expect(watch.full).toBe(true)
  })

  test('space watch: a disk that cannot tell: counts as free', async () => {
    const { sim, node } = await world()
    const watch = new SpaceWatch('/data', 4 * MIB, node.ports)
    watch.met()
    node.disk.faults.failProbability = 1
    await sim.advance(1_100)
    expect(watch.full).toBe(false)
    expect(node.logLines().some(({ event }) => event === 'free space unknown')).toBe(true)
  })

  test('space watch: closed: lets go of those who wait, looks no more', async () => {
    const { sim, node } = await world()
    const watch = new SpaceWatch('/data', 4 * MIB, node.ports)
    watch.met()
    const waiting = watch.whenFree()
    watch.close()
    await sim.run(waiting)
    const before = node.disk.ioCalls
    watch.met()
    await sim.run(watch.look())
    await sim.run(watch.whenFree())
    await sim.advance(5_000)
    expect(node.disk.ioCalls).toBe(before)
  })
})
