import { type DiskFile, type SimProcess, Simulation } from '../../src'

interface World {
  readonly simulation: Simulation
  readonly node: SimProcess
}

function makeWorld(seed: number | string = 1): World {
  const simulation = new Simulation({ seed })
  return { simulation, node: simulation.process('node') }
}

/** A file that is durable up to `synced` bytes of 1, followed by `extra` bytes of 2. */
async function makeFile({ node }: World, path: string, synced: number, extra: number) {
  const file = await node.ports.disk.open(path, 'create')
  await node.ports.disk.syncDirectory('/')
  await file.append([Buffer.alloc(synced, 1)])
  await file.sync()
  await file.append([Buffer.alloc(extra, 2)])
  return file
}

describe('sim disk: power cut', () => {
  it('sim disk: everything un-synced dropped: exactly the synced bytes remain', async () => {
    const world = makeWorld()
    await world.simulation.run(() => makeFile(world, '/log', 5_000, 7_000))
    world.node.powerCut('drop')
    expect(world.node.disk.peek('/log')).toEqual(Buffer.alloc(5_000, 1))
  })

  it('sim disk: everything kept: as kill -9', async () => {
    const world = makeWorld()
    await world.simulation.run(() => makeFile(world, '/log', 10, 20))
    world.node.powerCut('keep')
    expect(world.node.disk.peek('/log')).toHaveLength(30)
  })

  it('sim disk: mixed: synced bytes whole, any length of the tail, sectors torn', async () => {
    const lengths = new Set<number>()
    const fates = { kept: 0, lost: 0, garbage: 0 }
    for (let seed = 0; seed < 60; seed += 1) {
      const world = makeWorld(seed)
      await world.simulation.run(() => makeFile(world, '/log', 5_000, 20_000))
      world.node.powerCut('mixed')
      const bytes = world.node.disk.peek('/log')
      expect(bytes.subarray(0, 5_000)).toEqual(Buffer.alloc(5_000, 1))
      expect(bytes.length).toBeLessThanOrEqual(25_000)
      lengths.add(bytes.length)
      for (const byte of bytes.subarray(5_000)) {
        if (byte === 2) fates.kept += 1
        else if (byte === 0) fates.lost += 1
        else fates.garbage += 1
      }
    }
    expect(lengths.size).toBeGreaterThan(50)
    for (const count of Object.values(fates)) expect(count).toBeGreaterThan(10_000)
  })

  it('sim disk: a second power cut: what survived the first is durable', async () => {
    const world = makeWorld(3)
    await world.simulation.run(() => makeFile(world, '/log', 5_000, 20_000))
    world.node.powerCut('mixed')
    const bytes = world.node.disk.peek('/log')
    world.node.restart()
    world.node.powerCut('drop')
    expect(world.node.disk.peek('/log')).toEqual(bytes)
  })

  it('sim disk: truncate without sync: the old bytes come back; with sync: they do not', async () => {
    for (const synced of [false, true]) {
      const world = makeWorld()
      await world.simulation.run(async () => {
        const file = await makeFile(world, '/log', 100, 0)
        await file.truncate(40)
        if (synced) await file.sync()
      })
      world.node.powerCut('drop')
      expect(world.node.disk.peek('/log')).toHaveLength(synced ? 40 : 100)
    }
  })

  it('sim disk: sync covers what was written when it began, not what followed', async () => {
    const world = makeWorld()
    await world.simulation.run(async () => {
      const file = await makeFile(world, '/log', 0, 10)
      world.node.disk.faults.slowFactor = 1_000
      const syncing = file.sync()
      world.node.disk.faults.slowFactor = 0
      await file.append([Buffer.alloc(5, 3)])
      await syncing
    })
    world.node.powerCut('drop')
    expect(world.node.disk.peek('/log')).toEqual(Buffer.alloc(10, 2))
  })

  it('sim disk: new file without syncDirectory: gone, though its contents were synced', async () => {
    const world = makeWorld()
    const { disk } = world.node.ports
    await world.simulation.run(async () => {
      const file = await disk.open('/new', 'create')
      await file.append([Buffer.from('x')])
      await file.sync()
    })
    world.node.powerCut('drop')
    expect(world.node.disk.paths()).toEqual([])
  })

  it('sim disk: rename without syncDirectory: old contents; with it: new', async () => {
    for (const synced of [false, true]) {
      const world = makeWorld()
      const { disk } = world.node.ports
      const write = async (path: string, contents: string) => {
        const file = await disk.open(path, 'create')
        await file.append([Buffer.from(contents)])
        await file.sync()
      }
      await world.simulation.run(async () => {
        await write('/manifest', 'old')
        await disk.syncDirectory('/')
        await write('/manifest.tmp', 'new')
        await disk.rename('/manifest.tmp', '/manifest')
        if (synced) await disk.syncDirectory('/')
      })
      expect(world.node.disk.peek('/manifest').toString()).toBe('new')
      world.node.powerCut('drop')
      expect(world.node.disk.peek('/manifest').toString()).toBe(synced ? 'new' : 'old')
      expect(world.node.disk.paths()).toEqual(['/manifest'])
    }
  })

  it('sim disk: rename synced, contents not: the new name, without the new bytes', async () => {
    const world = makeWorld()
    const { disk } = world.node.ports
    await world.simulation.run(async () => {
      const file = await disk.open('/tmp', 'create')
      await file.append([Buffer.from('never synced')])
      await disk.rename('/tmp', '/final')
      await disk.syncDirectory('/')
    })
    world.node.powerCut('drop')
    expect(world.node.disk.paths()).toEqual(['/final'])
    expect(world.node.disk.peek('/final')).toHaveLength(0)
  })

  it('sim disk: unlink without syncDirectory: the file comes back', async () => {
    const world = makeWorld()
    await world.simulation.run(async () => {
      await makeFile(world, '/log', 10, 0)
      await world.node.ports.disk.unlink('/log')
    })
    world.node.powerCut('drop')
    expect(world.node.disk.peek('/log')).toEqual(Buffer.alloc(10, 1))
  })

  it('sim disk: mixed directory changes: each survives or not, a rename as a whole', async () => {
    const outcomes = new Set<string>()
    for (let seed = 0; seed < 60; seed += 1) {
      const world = makeWorld(seed)
      const { disk } = world.node.ports
      await world.simulation.run(async () => {
        for (const path of ['/a', '/b']) await disk.open(path, 'create')
        await disk.syncDirectory('/')
        await disk.rename('/a', '/c')
        await disk.unlink('/b')
      })
      world.node.powerCut('mixed')
      outcomes.add(world.node.disk.paths().join(' '))
    }
    expect([...outcomes].sort()).toEqual(['/a', '/a /b', '/b /c', '/c'])
  })

  it('sim disk: power cut without a mode: all kept, all dropped and mixed occur', async () => {
    const lengths: number[] = []
    for (let seed = 0; seed < 100; seed += 1) {
      const world = makeWorld(seed)
      await world.simulation.run(() => makeFile(world, '/log', 100, 10_000))
      world.node.powerCut()
      lengths.push(world.node.disk.peek('/log').length)
    }
    const share = (length: number) => lengths.filter((each) => each === length).length
    expect(share(100)).toBeGreaterThan(8)
    expect(share(10_100)).toBeGreaterThan(2)
    expect(share(100) + share(10_100)).toBeLessThan(60)
  })
})

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
