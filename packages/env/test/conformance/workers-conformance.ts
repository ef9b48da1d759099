import type { WorkerEntry, WorkerHandle, WorkerMain, Workers } from '../../src'

export interface WorkersHarness {
  readonly workers: Workers
  /** An empty directory of the test's own, on the workers' disk. */
  readonly directory: string
  /** Runs the test's body; under simulation it steps the world meanwhile. */
  run<T>(body: () => Promise<T>): Promise<T>
}

const modulePath = require.resolve('../fixtures/jobs.js')

/** Does what a job's `type` says: see `fixtures/jobs.js`. */
export const jobs: WorkerEntry = {
  run: (require(modulePath) as { perform: WorkerMain }).perform,
  module: modulePath,
  name: 'perform',
}

/** What every `Workers` promises, whether jobs run on a thread or on the loop. */
export function workersConformance(name: string, makeHarness: () => Promise<WorkersHarness>): void {
  const check = (
    title: string,
    body: (handle: WorkerHandle, harness: WorkersHarness) => Promise<void>,
  ) =>
    it(`${name}: ${title}`, async () => {
      const harness = await makeHarness()
      await harness.run(async () => {
        const handle = harness.workers.start(jobs)
        try {
          await body(handle, harness)
        } finally {
          await handle.close()
        }
      })
    })

  /** Settles at the first message of a job, which `settled` then tells the end of. */
  async function begin(handle: WorkerHandle, job: unknown) {
    let settled!: Promise<unknown>
    await new Promise((onProgress) => {
      settled = handle.run(job, { onProgress })
      settled.catch(() => {})
    })
    return { settled }
  }

  const cancelled = { code: 'ECANCELED' }

  check('run: plain data: arrives, and comes back', async (handle) => {
    const value = { list: [1, 'two', null, { three: 3n }], map: new Map([['a', 1]]), nothing: {} }
    expect(await handle.run({ type: 'echo', value })).toEqual(value)
    expect(await handle.run({ type: 'echo' })).toBeUndefined()
  })

  check('allocate: a view of it: both sides see the same bytes', async (handle, { workers }) => {
    const memory = workers.allocate(10)
    expect([...memory]).toEqual(new Array(10).fill(0))
    memory.fill(7)
    await handle.run({ type: 'increment', bytes: memory.subarray(2, 5) })
    expect([...memory]).toEqual([7, 7, 8, 8, 8, 7, 7, 7, 7, 7])
  })

  check('run: a Buffer: a Uint8Array on the other side, both ways', async (handle) => {
    const bytes = Buffer.from([1, 2, 3])
    expect(await handle.run({ type: 'sum', bytes })).toEqual({ isBuffer: false, sum: 6 })
    const back = await handle.run({ type: 'echo', value: { bytes } })
    expect(Buffer.isBuffer((back as { bytes: Uint8Array }).bytes)).toBe(false)
    expect([...(back as { bytes: Uint8Array }).bytes]).toEqual([1, 2, 3])
  })

  check('run: transferred bytes: arrive', async (handle) => {
    const bytes = new Uint8Array([4, 5])
    const result = await handle.run({ type: 'sum', bytes }, { transfer: [bytes.buffer] })
    expect(result).toMatchObject({ sum: 9 })
  })

  check('run: several at once: one at a time and in order', async (handle) => {
    const seen: unknown[] = []
    const onProgress = (message: unknown) => seen.push(message)
    const run = async (name: string, count: number) => {
      seen.push(await handle.run({ type: 'steps', name, count }, { onProgress }))
    }
    await Promise.all([run('a', 3), run('b', 1), run('c', 2)])
    expect(seen).toEqual(['a1', 'a2', 'a3', 'a', 'b1', 'b', 'c1', 'c2', 'c'])
  })

  check('run: two handles: neither waits for the other', async (handle, { workers }) => {
    const other = workers.start(jobs)
    const { settled } = await begin(handle, { type: 'untilCancelled' })
    expect(await other.run({ type: 'echo', value: 1 })).toBe(1)
    await other.close()
    handle.cancel()
    await expect(settled).rejects.toMatchObject({ code: 'STOPPED' })
  })

  check('run: with the ports: files, time and timers are there', async (handle, harness) => {
    const path = `${harness.directory}/file`
    expect(await handle.run({ type: 'writeFile', path, bytes: Buffer.from('abc') })).toBe(true)
    const again = handle.run({ type: 'writeFile', path, bytes: Buffer.from('abc') })
    await expect(again).rejects.toMatchObject({ code: 'EEXIST' })
  })

  check('progress: after the end of the job: dropped', async (handle) => {
    const seen: unknown[] = []
    const onProgress = (message: unknown) => seen.push(message)
    expect(await handle.run({ type: 'progressAfterEnd' }, { onProgress })).toBe('result')
    await handle.run({ type: 'steps', name: 'next', count: 10 })
    expect(seen).toEqual(['before'])
  })

  check('errors: message, name and fields: kept; the class is not', async (handle) => {
    const fields = { code: 'MY_CODE', details: { tries: 3 } }
    const failing = handle.run({ type: 'throw', message: 'no luck', fields })
    const error = await failing.then(
      () => new Error('it should have failed'),
      (caught: Error) => caught,
    )
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: 'JobError', message: 'no luck', ...fields })
    expect(Object.keys(error).sort()).toEqual(['code', 'details', 'name'])
    expect(Object.getPrototypeOf(error).constructor.name).toBe('Error')
    expect(error.stack).toContain('jobs.js')
    await expect(handle.run({ type: 'throwText', text: 'just text' })).rejects.toThrow('just text')
    expect(await handle.run({ type: 'echo', value: 'goes on' })).toBe('goes on')
  })

  check('errors: what is not plain data: DataCloneError, and the next works', async (handle) => {
    for (const job of [
      { type: 'echo', value: () => {} },
      { type: 'giveFunction' },
      { type: 'progressFunction' },
    ]) {
      await expect(handle.run(job)).rejects.toMatchObject({ name: 'DataCloneError' })
    }
    expect(await handle.run({ type: 'echo', value: 1 })).toBe(1)
  })

  check('cancel: the job under way sees it, waiting ones are dropped', async (handle) => {
    const { settled } = await begin(handle, { type: 'untilCancelled' })
    const waiting = [1, 2].map((value) => handle.run({ type: 'echo', value }))
    const outcomes = Promise.allSettled([settled, ...waiting])
    handle.cancel()
    const next = handle.run({ type: 'echo', value: 'next' })
    expect(await outcomes).toMatchObject([
      { reason: { code: 'STOPPED', message: 'stopped' } },
      { reason: cancelled },
      { reason: cancelled },
    ])
    expect(await next).toBe('next')
  })

  check('cancel: before the job has begun: it never does', async (handle) => {
    const seen: unknown[] = []
    const onProgress = (message: unknown) => seen.push(message)
    const running = handle.run({ type: 'steps', name: 'a', count: 1 }, { onProgress })
    handle.cancel()
    await expect(running).rejects.toMatchObject(cancelled)
    expect(seen).toEqual([])
    handle.cancel()
    expect(await handle.run({ type: 'echo', value: 1 })).toBe(1)
  })

  check('close: during a job: cancels and waits for it; later jobs refused', async (handle) => {
    const { settled } = await begin(handle, { type: 'untilCancelled' })
    const order: string[] = []
    const note = (what: string) => () => order.push(what)
    void settled.catch(note('running'))
    void handle.run({ type: 'echo' }).catch(note('waiting'))
    await Promise.all([handle.close().then(note('closed')), handle.close()])
    expect(order.slice(0, 2).sort()).toEqual(['running', 'waiting'])
    expect(order[2]).toBe('closed')
    await expect(handle.run({ type: 'echo' })).rejects.toMatchObject(cancelled)
  })

  check('close: without any job: fine, twice', async (handle) => {
    handle.cancel()
    await handle.close()
    await handle.close()
  })
}
