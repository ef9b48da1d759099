import type { RepairReport } from '../src'
import { FakeRepair, unknownMethod } from './fake-repair'
import { World } from './world'

/** The fake map has 1,024 partitions. */
const ALL = 1024

/** Three nodes, of which n1 leads the partitions 0, 3, 6, …, n2 those after them, n3 the rest. */
async function repairable() {
  const world = await World.make()
  const client = await world.connected()
  const leads = (remainder: number) =>
    Array.from({ length: ALL }, (_, n) => n).filter((n) => n % 3 === remainder)
  const [n1, n2, n3] = ['n1', 'n2', 'n3'].map(
    (name, n) => new FakeRepair(world.node(name), leads(n)),
  ) as [FakeRepair, FakeRepair, FakeRepair]
  return { world, client, n1, n2, n3, repairs: [n1, n2, n3] }
}

describe('client: repair', () => {
  it('client: repair: every member does its share; the sum of them', async () => {
    const { world, client, n2, repairs } = await repairable()
    n2.each = { differed: 1, cells: 5, bytes: 50 }
    const reports: RepairReport[] = []
    const summary = await world.run(client.repair({ onProgress: (each) => reports.push(each) }))
    expect(summary).toEqual({
      total: ALL,
      verified: ALL,
      // In each of four steps.
      differed: 4,
      cells: 20,
      bytes: 200,
      failures: [],
    })
    for (const { asked } of repairs) {
      expect(asked.slice(0, 2)).toEqual([{ action: 'progress' }, { action: 'start' }])
    }
    const done = reports.map((each) => each.done)
    expect(done).toEqual([...done].sort((a, b) => a - b))
    expect(done[0]).toBe(0)
    expect(reports.at(-1)).toMatchObject({ total: ALL, done: ALL, verified: ALL, waiting: [] })
  })

  it('client: repair: some partitions: each once, and only those count', async () => {
    const { world, client, repairs } = await repairable()
    const partitions = [0, 3, 4, 3]
    expect(await world.run(client.repair({ partitions }))).toMatchObject({ total: 3, verified: 3 })
    for (const { asked } of repairs) {
      expect(asked[1]).toEqual({ action: 'start', partitions: [0, 3, 4] })
    }
    const { partition } = client.where('ryan')
    expect(await world.run(client.repair({ partitions: [partition] }))).toMatchObject({ total: 1 })
  })

  it('client: repair: partitions that could not be verified: told once for each node and reason', async () => {
    const { world, client, n1, n3 } = await repairable()
    n1.blocked = [{ node: 'n2:9000', reason: 'it is not reached', partitions: 2 }]
    n3.blocked = [
      { node: 'n2:9000', reason: 'it is not reached', partitions: 3 },
      { node: 'n2:9000', reason: 'a damaged block lies in the partition', partitions: 1 },
    ]
    const summary = await world.run(client.repair())
    expect(summary).toMatchObject({ total: ALL, verified: ALL - 6 })
    expect(summary.failures).toEqual([
      { node: 'n2:9000', reason: 'it is not reached', partitions: 5 },
      { node: 'n2:9000', reason: 'a damaged block lies in the partition', partitions: 1 },
    ])
  })

  it('client: repair: a member that is down: a failure, and who does its share', async () => {
    const { world, client, n1, n2 } = await repairable()
    world.process('n3').kill()
    await world.simulation.advance(100)
    const summary = await world.run(client.repair())
    const led = n1.progress.total + n2.progress.total
    expect(summary).toMatchObject({ total: ALL, verified: led })
    expect(summary.failures).toEqual([
      {
        node: 'n3:9000',
        reason: expect.stringMatching(
          /^it was not reached \(n3:9000: .*\); while it is down the next live replica leads/,
        ),
        partitions: 0,
      },
      // The fakes do not know that they lead these now.
      { node: 'n3:9000', reason: expect.stringContaining('no node'), partitions: ALL - led },
    ])
  })

  it('client: repair: a member that is silent: given up after its time', async () => {
    const { world, client } = await repairable()
    world.process('n3').pause()
    const { ms, result } = await world.timed(() => client.repair({ timeoutMs: 300 }))
    expect(result.failures[0]).toMatchObject({
      node: 'n3:9000',
      reason: expect.stringContaining('no answer to repair within 300 ms'),
    })
    expect(ms).toBeLessThan(2_000)
  })

  it('client: repair: a member lost on the way: what it had done counts', async () => {
    const { world, client, n3 } = await repairable()
    n3.step = 1
    const running = client.repair()
    await world.simulation.advance(3_000)
    const { done, total } = n3.progress
    expect(done).toBeGreaterThan(0)
    world.process('n3').kill()
    const summary = await world.run(running)
    expect(summary).toMatchObject({ total: ALL, verified: ALL - total + done })
    expect(summary.failures).toEqual([
      {
        node: 'n3:9000',
        reason: expect.stringMatching(/^it was lost .*next live replica leads its partitions$/),
        partitions: total - done,
      },
    ])
  })

  it('client: repair: a connection lost on the way: the run goes on', async () => {
    const { world, client, n3 } = await repairable()
    n3.step = 20
    const running = client.repair()
    await world.simulation.advance(1_500)
    for (const { connection } of world.node('n3').sessions) connection.destroy()
    expect(await world.run(running)).toMatchObject({ verified: ALL, failures: [] })
    expect(n3.actions.filter((action) => action === 'start')).toHaveLength(1)
  })

  it('client: repair: a node started anew on the way: its run is gone, and not its share of the sum', async () => {
    const { world, client, n2 } = await repairable()
    n2.step = 1
    const running = client.repair()
    await world.simulation.advance(1_000)
    const { total, done } = n2.progress
    n2.progress = { ...n2.progress, running: false, total: 0, done: 0, verified: 0 }
    const summary = await world.run(running)
    expect(summary).toMatchObject({ total: ALL, verified: ALL - total + done })
    expect(summary.failures).toEqual([
      { node: 'n2:9000', reason: expect.stringContaining('cut short'), partitions: total - done },
    ])
  })

  it('client: repair: a run that somebody else has stopped: says so', async () => {
    const { world, client, n2 } = await repairable()
    n2.step = 1
    const running = client.repair()
    await world.simulation.advance(1_000)
    const { total, verified } = n2.progress
    n2.progress = { ...n2.progress, running: false, done: total }
    const { failures } = await world.run(running)
    const partitions = total - verified
    expect(failures).toEqual([{ node: 'n2:9000', reason: 'the run was stopped', partitions }])
  })

  it("client: repair: another's run is under way: ended first, and not stopped by our signal", async () => {
    const { world, client, n1 } = await repairable()
    n1.progress = { ...n1.progress, running: true, total: 7 }
    n1.step = 2
    const reports: RepairReport[] = []
    const running = client.repair({ partitions: [3], onProgress: (each) => reports.push(each) })
    const summary = await world.run(running)
    expect(summary).toMatchObject({ total: 1, verified: 1, failures: [] })
    expect(reports.some(({ waiting }) => waiting.includes('n1:9000'))).toBe(true)
    expect(n1.actions.indexOf('start')).toBeGreaterThan(3)

    n1.progress = { ...n1.progress, running: true, total: 1000, done: 0 }
    const aborter = new AbortController()
    const failing = world.failure(client.repair({ signal: aborter.signal }))
    await world.simulation.advance(1_500)
    aborter.abort()
    expect(await failing).toMatchObject({ code: 'CASSIO_ABORTED' })
    expect(n1.actions).not.toContain('stop')
    expect(n1.progress.running).toBe(true)
  })

  it('client: repair: aborted: every run is stopped, and that is waited for', async () => {
    const { world, client, repairs } = await repairable()
    for (const repair of repairs) repair.step = 1
    const aborter = new AbortController()
    const failing = world.failure(client.repair({ signal: aborter.signal }))
    await world.simulation.advance(1_000)
    const ms = world.nowMs
    aborter.abort()
    expect(await failing).toMatchObject({ code: 'CASSIO_ABORTED', applied: 'none' })
    expect(world.nowMs - ms).toBeLessThan(20)
    for (const { actions, progress } of repairs) {
      expect(actions.filter((action) => action === 'stop')).toHaveLength(1)
      expect(progress.running).toBe(false)
    }
    const eventsBefore = world.simulation.eventCount
    await world.run(client.disconnect())
    await world.simulation.advance(60_000)
    expect(world.simulation.eventCount - eventsBefore).toBeLessThan(50)
  })

  it('client: repair: aborted, then disconnected in the same turn: the nodes are told all the same', async () => {
    const { world, client, repairs } = await repairable()
    for (const repair of repairs) repair.step = 1
    const aborter = new AbortController()
    const failing = world.failure(client.repair({ signal: aborter.signal }))
    await world.simulation.advance(1_000)
    aborter.abort()
    const closing = client.disconnect()
    expect(await failing).toMatchObject({ code: 'CASSIO_ABORTED' })
    await world.run(closing)
    expect(repairs.every(({ progress }) => !progress.running)).toBe(true)
  })

  it('client: repair: aborted before: nothing is asked', async () => {
    const { world, client, repairs } = await repairable()
    const error = await world.failure(client.repair({ signal: AbortSignal.abort() }))
    expect(error).toMatchObject({ code: 'CASSIO_ABORTED' })
    expect(repairs.flatMap(({ actions }) => actions)).toEqual([])
  })

  it('client: repair: an error of onProgress: stops it and is the error', async () => {
    const { world, client, repairs } = await repairable()
    const onProgress = ({ done }: RepairReport) => {
      if (done > 300) throw new Error('the screen is gone')
    }
    const error = await world.failure(client.repair({ onProgress }))
    expect(error.message).toBe('the screen is gone')
    expect(repairs.every(({ progress }) => !progress.running)).toBe(true)
  })

  it('client: repair: disconnect on the way: CASSIO_CLOSED', async () => {
    const { world, client, repairs } = await repairable()
    for (const repair of repairs) repair.step = 1
    const failing = world.failure(client.repair())
    await world.simulation.advance(1_000)
    await world.run(client.disconnect())
    expect(await failing).toMatchObject({ code: 'CASSIO_CLOSED' })
  })

  it('client: repair: no member can be told: the error names them all', async () => {
    const { world, client } = await repairable()
    for (const name of ['n1', 'n2', 'n3']) world.process(name).kill()
    await world.simulation.advance(100)
    const error = await world.failure(client.repair())
    expect(error).toMatchObject({ code: 'CASSIO_CONNECTION' })
    expect(error.causes.map(({ node }) => node)).toEqual(['n1:9000', 'n2:9000', 'n3:9000'])
  })

  it('client: repair: nodes that do not know it: CASSIO_INVALID; one of them: a failure', async () => {
    const { world, client, n1, repairs } = await repairable()
    n1.script = unknownMethod
    expect((await world.run(client.repair())).failures[0]).toMatchObject({
      node: 'n1:9000',
      reason: 'it refused: CASSIO_INVALID: there is no method "repair"',
    })
    for (const repair of repairs) repair.script = unknownMethod
    expect(await world.failure(client.repair())).toMatchObject({ code: 'CASSIO_INVALID' })
  })

  it.each<[string, unknown]>([
    ['nothing', null],
    ['no numbers', { running: true, total: '7' }],
    ['a failure that is none', { ...noProgress(), failures: [null] }],
    ['a negative count', { ...noProgress(), cells: -1 }],
  ])('client: repair: an answer with %s: a failure of that node', async (_, answer) => {
    const { world, client, n1 } = await repairable()
    n1.script = (_params, request) => {
      request.result(answer)
      return true
    }
    expect((await world.run(client.repair())).failures[0]).toMatchObject({
      node: 'n1:9000',
      reason: expect.stringContaining('it refused: CASSIO_PROTOCOL'),
    })
  })

  it('client: repair: wrong arguments: rejected before anything is asked', async () => {
    const { world, client, repairs } = await repairable()
    for (const partitions of [[], [-1], [ALL], [1.5], ['1'], [Number.NaN]]) {
      const error = await world.failure(client.repair({ partitions: partitions as number[] }))
      expect(error.name).toBe('RangeError')
    }
    for (const wrong of [{ partitions: 7 }, { partition: [7] }, { onProgress: 7 }, { signal: 7 }]) {
      expect((await world.failure(client.repair(wrong as never))).name).toBe('TypeError')
    }
    expect(repairs.flatMap(({ actions }) => actions)).toEqual([])
  })

  it('client: repair: while connecting: waits for it; before connect: says so', async () => {
    const world = await World.make()
    for (const node of world.all) new FakeRepair(node, node.address === 'n1:9000' ? [7] : [])
    const client = world.client()
    expect(await world.failure(client.repair())).toMatchObject({ code: 'CASSIO_INVALID' })
    void client.connect()
    const summary = await world.run(client.repair({ partitions: [7] }))
    expect(summary).toMatchObject({ total: 1, verified: 1, failures: [] })
  })
})

/** Complete but for the failures. */
function noProgress() {
  return { running: false, total: 0, done: 0, verified: 0, differed: 0, cells: 0, bytes: 0 }
}
