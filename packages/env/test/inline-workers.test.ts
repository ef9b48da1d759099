import { InlineWorkers, NodeClock, NodeDisk, NodeTimers, temporaryDirectory } from '../src'
import { workersConformance } from './conformance/workers-conformance'

const removals: (() => Promise<void>)[] = []

afterAll(async () => {
  for (const remove of removals) await remove()
})

workersConformance('inline workers', async () => {
  const { path, remove } = await temporaryDirectory('cassiopeia-env')
  removals.push(remove)
  return {
    workers: new InlineWorkers({
      disk: new NodeDisk(),
      clock: new NodeClock(),
      timers: new NodeTimers(),
    }),
    directory: path,
    run: (body) => body(),
  }
})
