import type { DiskFile } from '../../src'
import { makeFile, makeWorld, type World } from './disk-world'

describe('sim disk: faults', () => {
  async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
    try {
      await work
      return undefined
    } catch (error) {
      return (error as NodeJS.ErrnoException).code
    }
  }

  it('sim disk: failed sync: the retry succeeds and the bytes are gone', async () => {
    const world = makeWorld()
    await world.simulation.run(async () => {
      const file = await makeFile(world, '/log', 100, 50)
      world.node.disk.faults.failCall(world.node.disk.ioCalls + 1, 'EIO')
      expect(await codeOf(file.sync())).toBe('EIO')
      await file.append([Buffer.alloc(10, 3)])
      expect(await codeOf(file.sync())).toBeUndefined()
    })
    const expected = [Buffer.alloc(100, 1), Buffer.alloc(50, 2), Buffer.alloc(10, 3)]
    expect(world.node.disk.peek('/log')).toEqual(Buffer.concat(expected))
    expected[1]?.fill(0)
    world.node.powerCut('keep')
    expect(world.node.disk.peek('/log')).toEqual(Buffer.concat(expected))
  })

  it('sim disk: reads fail, or writes: the others do not', async () => {
    for (const failing of ['read', 'write'] as const) {
      const world = makeWorld()
      await world.simulation.run(async () => {
        const file = await makeFile(world, '/log', 10, 0)
        const { faults } = world.node.disk
        if (failing === 'read') faults.readFailProbability = 1
        else faults.writeFailProbability = 1
        const codes = [
          await codeOf(file.read(Buffer.alloc(4), 0)),
          await codeOf(file.append([Buffer.alloc(4, 2)])),
          await codeOf(file.sync()),
        ]
        expect(codes).toEqual(
          failing === 'read' ? ['EIO', undefined, undefined] : [undefined, 'EIO', undefined],
        )
        faults.clear()
        expect(await codeOf(file.append([Buffer.alloc(4, 2)]))).toBeUndefined()
      })
      expect(world.node.disk.usedBytes).toBe(failing === 'read' ? 18 : 14)
    }
  })

  it('sim disk: every I/O call in turn: fails once or for ever, and never hangs', async () => {
    const workload = async ({ node }: World) => {
      const { disk } = node.ports
      await disk.makeDirectory('/d')
      const file = await disk.open('/d/f', 'create')
      await file.append([Buffer.from('abc')])
      await file.sync()
      await disk.rename('/d/f', '/d/g')
      await disk.syncDirectory('/d')
      expect((await disk.readFile('/d/g')).toString()).toBe('abc')
      await file.close()
    }
    const calm = makeWorld()
    await calm.simulation.run(workload(calm))
    const calls = calm.node.disk.ioCalls
    expect(calls).toBe(8)
    for (let call = 1; call <= calls; call += 1) {
      for (const fault of ['EIO', 'ENOSPC', 'short-write'] as const) {
        for (const permanent of [false, true]) {
          const world = makeWorld()
          world.node.disk.faults.failCall(call, fault, { permanent })
          const expected = fault === 'short-write' ? 'EIO' : fault
          expect(await codeOf(world.simulation.run(workload(world)))).toBe(expected)
          expect(world.node.disk.ioCalls).toBe(call)
        }
      }
    }
  })

  it('sim disk: short write: a prefix, then EIO', async () => {
    const lengths = new Set<number>()
    for (let seed = 0; seed < 30; seed += 1) {
      const world = makeWorld(seed)
      world.node.disk.faults.shortWriteProbability = 1
      const work = makeFile(world, '/log', 1_000, 0)
      expect(await codeOf(world.simulation.run(work))).toBe('EIO')
      lengths.add(world.node.disk.peek('/log').length)
    }
    expect(lengths.size).toBeGreaterThan(20)
  })

  it('sim disk: quota: writes what fits, ENOSPC; room again after unlink', async () => {
    const world = makeWorld()
    const { disk } = world.node.ports
    await world.simulation.run(async () => {
      const first = await makeFile(world, '/first', 600, 0)
      world.node.disk.faults.quotaBytes = 1_000
      const second = await makeFile(world, '/second', 0, 300)
      expect(await codeOf(second.append([Buffer.alloc(200)]))).toBe('ENOSPC')
      expect(await second.size()).toBe(400)
      expect(await codeOf(first.append([Buffer.alloc(1)]))).toBe('ENOSPC')
      await disk.unlink('/first')
      await second.append([Buffer.alloc(600)])
      expect(await second.size()).toBe(1_000)
    })
  })

  it('sim disk: freeBytes: quota less what is used, a linked file once; Infinity without', async () => {
    const world = makeWorld()
    const { disk } = world.node.ports
    await world.simulation.run(async () => {
      const file = await makeFile(world, '/first', 500, 100)
      await disk.link('/first', '/second')
      expect(await disk.freeBytes('/')).toBe(Number.POSITIVE_INFINITY)
      world.node.disk.faults.quotaBytes = 1_000
      expect(await disk.freeBytes('/first')).toBe(400)
      await disk.unlink('/first')
      expect(await disk.freeBytes('/')).toBe(400)
      await file.append([Buffer.alloc(400)])
      world.node.disk.faults.quotaBytes = 500
      expect(await disk.freeBytes('/')).toBe(0)
    })
  })

  it('sim disk: readSync: counts, fails as planned or by chance, takes no time', async () => {
    const world = makeWorld()
    const { faults } = world.node.disk
    const file = await world.simulation.run(() => makeFile(world, '/log', 10, 0))
    const { ioCalls } = world.node.disk
    const { nowMs } = world.simulation
    const target = Buffer.alloc(4)
    faults.failCall(ioCalls + 2, 'EIO')
    faults.failCall(ioCalls + 3, 'short-write')
    const read = () => codeOf((async () => file.readSync(target, 0))())
    const codes = [await read(), await read(), await read(), await read()]
    expect(codes).toEqual([undefined, 'EIO', 'EIO', undefined])
    expect(world.node.disk.ioCalls).toBe(ioCalls + 4)
    faults.failProbability = 1
    expect(await read()).toBe('EIO')
    expect(world.simulation.nowMs).toBe(nowMs)
  })

  it('sim disk: readSync after kill: EIO, and no I/O call', async () => {
    const world = makeWorld()
    const file = await world.simulation.run(() => makeFile(world, '/log', 10, 0))
    const { ioCalls } = world.node.disk
    world.node.kill()
    const dead = expect.objectContaining({ code: 'EIO' }) as Error
    expect(() => file.readSync(Buffer.alloc(1), 0)).toThrow(dead)
    expect(world.node.disk.ioCalls).toBe(ioCalls)
  })

  it('sim disk: probabilities: some calls fail, none after clear', async () => {
    const world = makeWorld()
    world.node.disk.faults.failProbability = 0.3
    const attempt = () => codeOf(world.node.ports.disk.list('/'))
    const codes = await world.simulation.run(Promise.all(Array.from({ length: 200 }, attempt)))
    const failed = codes.filter((code) => code === 'EIO').length
    expect(failed > 30 && failed < 90).toBe(true)
    world.node.disk.faults.clear()
    const calm = await world.simulation.run(Promise.all(Array.from({ length: 200 }, attempt)))
    expect(calm.every((code) => code === undefined)).toBe(true)
  })

  it('sim disk: flipBit: seen by readers, and by the disk after a power cut', async () => {
    const world = makeWorld()
    await world.simulation.run(() => makeFile(world, '/log', 4, 0))
    world.node.disk.flipBit('/log', 17)
    expect([...world.node.disk.peek('/log')]).toEqual([1, 1, 3, 1])
    world.node.powerCut('drop')
    expect([...world.node.disk.peek('/log')]).toEqual([1, 1, 3, 1])
    expect(() => world.node.disk.flipBit('/log', 32)).toThrow(RangeError)
  })

  it('sim disk: slow: latency multiplied', async () => {
    const lasting = async (slowFactor: number) => {
      const world = makeWorld()
      world.node.disk.faults.slowFactor = slowFactor
      await world.simulation.run(() => makeFile(world, '/log', 10, 10))
      return world.simulation.nowMs
    }
    expect((await lasting(100)) / (await lasting(1))).toBeGreaterThan(50)
  })

  it('sim disk: two appends at once: refused, as the caller has a bug', async () => {
    const world = makeWorld()
    const file: DiskFile = await world.simulation.run(() => makeFile(world, '/log', 0, 0))
    const both = Promise.all([file.append([Buffer.from('a')]), file.append([Buffer.from('b')])])
    await expect(world.simulation.run(both)).rejects.toThrow('two appends at once')
  })
})
