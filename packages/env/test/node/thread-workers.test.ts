import { spawnSync } from 'node:child_process'
import type { ThreadWorkers as Compiled } from '../../dist/node/thread-workers'
import {
  NodeClock,
  NodeDisk,
  NodeTimers,
  ThreadWorkers as SourceThreadWorkers,
  temporaryDirectory,
  type WorkerHandle,
} from '../../src'
import { jobs, workersConformance } from '../conformance/workers-conformance'

/** Threads load compiled code: `npm run build` comes first. */
const compiled = require.resolve('../../dist/node/thread-workers')
const { ThreadWorkers } = require(compiled) as { ThreadWorkers: typeof Compiled }

const ports = { disk: new NodeDisk(), clock: new NodeClock(), timers: new NodeTimers() }
const removals: (() => Promise<void>)[] = []

afterAll(async () => {
  for (const remove of removals) await remove()
})

async function makeTemporary(): Promise<string> {
  const { path, remove } = await temporaryDirectory('cassiopeia-env')
  removals.push(remove)
  return path
}

workersConformance('thread workers', async () => ({
  workers: new ThreadWorkers(ports),
  directory: await makeTemporary(),
  run: (body) => body(),
}))

describe('thread workers', () => {
  let handle: WorkerHandle

  beforeEach(() => {
    handle = new ThreadWorkers(ports).start(jobs)
  })

  afterEach(() => handle.close())

  it('thread workers: a busy job: the event loop goes on, and cancel is seen', async () => {
    const begun: unknown[] = []
    const onProgress = (message: unknown) => {
      begun.push(message)
      handle.cancel()
    }
    expect(await handle.run({ type: 'busyUntilCancelled' }, { onProgress })).toBe('saw it')
    expect(begun).toEqual(['begun'])
  })

  it('thread workers: transfer: the bytes have left', async () => {
    const bytes = new Uint8Array(8).fill(1)
    const summing = handle.run({ type: 'sum', bytes }, { transfer: [bytes.buffer] })
    expect(bytes).toHaveLength(0)
    expect(await summing).toMatchObject({ sum: 8 })
  })

  it('thread workers: the thread dies: EWORKER, and the next job has another', async () => {
    const jobsAtOnce = [
      handle.run({ type: 'exit', code: 7 }),
      handle.run({ type: 'echo', value: 1 }),
      handle.run({ type: 'crash' }),
      handle.run({ type: 'echo', value: 2 }),
    ]
    expect(await Promise.allSettled(jobsAtOnce)).toMatchObject([
      { reason: { code: 'EWORKER', message: expect.stringContaining('exit code 7') } },
      { value: 1 },
      { reason: { code: 'EWORKER', message: expect.stringContaining('nobody catches this') } },
      { value: 2 },
    ])
  })

  it('thread workers: messages before death: arrive', async () => {
    const seen: unknown[] = []
    const onProgress = (message: unknown) => seen.push(message)
    const running = handle.run({ type: 'exit', code: 0, lastWords: 'bye' }, { onProgress })
    await expect(running).rejects.toMatchObject({ code: 'EWORKER' })
    expect(seen).toEqual(['bye'])
  })

  it('thread workers: code that cannot be loaded: EWORKER, which says why', async () => {
    for (const [entry, why] of [
      [{ ...jobs, module: '/none/module.js' }, "Cannot find module '/none/module.js'"],
      [{ ...jobs, name: 'other' }, "exports no function 'other'"],
    ] as const) {
      const lost = new ThreadWorkers(ports).start(entry)
      const running = lost.run({ type: 'echo' })
      await expect(running).rejects.toMatchObject({ code: 'EWORKER' })
      await expect(running).rejects.toThrow(why)
      await lost.close()
    }
  })

  it('thread workers: an entry in TypeScript: runs inline', async () => {
    const bytes = new Uint8Array(2).fill(1)
    for (const workers of [new SourceThreadWorkers(ports), new ThreadWorkers(ports)]) {
      const inline = workers.start({ ...jobs, module: __filename })
      expect(await inline.run({ type: 'sum', bytes }, { transfer: [bytes.buffer] })).toEqual({
        isBuffer: false,
        sum: 2,
      })
      await inline.close()
    }
  })

  it('thread workers: a process: kept alive by a job, not by an idle thread', () => {
    const program = `
      const { nodePorts } = require(${JSON.stringify(require.resolve('../../dist'))})
      const module = ${JSON.stringify(jobs.module)}
      const { workers } = nodePorts()
      const entry = { run: require(module).perform, module, name: 'perform' }
      const one = workers.start(entry)
      workers.start(entry)
      one.run({ type: 'steps', name: 'a', count: 20 }).then((name) => {
        console.log('first', name)
        return one.run({ type: 'steps', name: 'b', count: 20 })
      }).then((name) => console.log('second', name))
    `
    const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', program], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    expect([stderr, stdout, status]).toEqual(['', 'first a\nsecond b\n', 0])
  })
})
