import { Simulation, type WorkerMain } from '../../src'
import { workersConformance } from '../conformance/workers-conformance'

workersConformance('sim workers', async () => {
  const simulation = new Simulation({ seed: 'workers' })
  const { workers } = simulation.process('node').ports
  return { workers, directory: '', run: (body) => simulation.run(body) }
})

function entryOf(run: WorkerMain) {
  return { run, module: __filename, name: 'none' }
}

describe('sim workers', () => {
  it('sim workers: the end of the process: nothing begins, goes on or settles', async () => {
    for (const end of ['kill', 'powerCut'] as const) {
      const simulation = new Simulation({ seed: 1 })
      const node = simulation.process('node')
      const seen: string[] = []
      const handle = node.ports.workers.start(
        entryOf(async (job, context) => {
          seen.push(`${job} begins`)
          await new Promise<void>((resolve) => context.timers.after(10, resolve))
          context.progress('half')
          seen.push(`${job} goes on`)
        }),
      )
      const run = (job: string) => {
        const onProgress = () => seen.push('progress')
        void handle.run(job, { onProgress }).finally(() => seen.push(`${job} settled`))
      }
      run('first')
      run('second')
      await simulation.advance(5)
      node[end]()
      run('third')
      void node.ports.workers.start(entryOf(async () => seen.push('late'))).run(0)
      handle.cancel()
      void handle.close().then(() => seen.push('closed'))
      await simulation.advance(1_000)
      expect(seen).toEqual(['first begins'])
    }
  })

  it('sim workers: a job that is done as the process ends: never heard of', async () => {
    const simulation = new Simulation({ seed: 1 })
    const node = simulation.process('node')
    const seen: string[] = []
    const handle = node.ports.workers.start(
      entryOf(async () => {
        seen.push('begins')
        simulation.at(simulation.nowMs, () => node.kill())
      }),
    )
    void handle.run(0).finally(() => seen.push('settled'))
    await simulation.advance(1_000)
    expect([seen, node.alive]).toEqual([['begins'], false])
  })

  it('sim workers: one seed: one history', async () => {
    const hash = async () => {
      const simulation = new Simulation({ seed: 7, guard: true })
      const { workers } = simulation.process('node').ports
      const handle = workers.start(
        entryOf(async (job, context) => {
          const file = await context.disk.open(`/${job}`, 'create')
          await file.append([Buffer.from(String(job))])
          context.progress(await file.size())
        }),
      )
      const sizes: unknown[] = []
      const onProgress = (size: unknown) => sizes.push(size)
      const all = ['a', 'bc', 'def'].map((job) => handle.run(job, { onProgress }))
      await simulation.run(Promise.all(all))
      expect(sizes).toEqual([1, 2, 3])
      return simulation.traceHash
    }
    expect(await hash()).toBe(await hash())
  })
})
