import { makeFile, makeWorld } from './disk-world'

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

  it('sim disk: link without syncDirectory: gone; with it: stays when the old name goes', async () => {
    for (const synced of [false, true]) {
      const world = makeWorld()
      const { disk } = world.node.ports
      await world.simulation.run(async () => {
        await makeFile(world, '/old', 10, 5)
        await disk.makeDirectory('/saved')
        await disk.link('/old', '/saved/new')
        if (synced) await disk.syncDirectory('/saved')
        await disk.unlink('/old')
        await disk.syncDirectory('/')
      })
      expect(world.node.disk.paths()).toEqual(['/saved/new'])
      world.node.powerCut('drop')
      expect(world.node.disk.paths()).toEqual(synced ? ['/saved/new'] : [])
      if (synced) expect(world.node.disk.peek('/saved/new')).toEqual(Buffer.alloc(10, 1))
    }
  })

  it('sim disk: mixed, two names of one file: both show the same bytes', async () => {
    for (let seed = 0; seed < 30; seed += 1) {
      const world = makeWorld(seed)
      await world.simulation.run(async () => {
        await makeFile(world, '/one', 100, 20_000)
        await world.node.ports.disk.link('/one', '/two')
        await world.node.ports.disk.syncDirectory('/')
      })
      world.node.powerCut('mixed')
      expect(world.node.disk.peek('/one').equals(world.node.disk.peek('/two'))).toBe(true)
    }
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
