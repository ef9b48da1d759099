import type { VerifyResult } from '../../src/jobs/job'
import { makeCell } from '../support'
import { DIRECTORY, entry, JobWorld, TableKind } from './job-world'

describe('verify job', () => {
  test('verify job: one table of two is damaged: names it, counts all bytes', async () => {
    const world = new JobWorld(1)
    await world.sim.run(async () => {
      const entries = Array.from({ length: 100 }, (_, i) =>
        entry(makeCell({ key: `k${i}`, ms: 1, value: Buffer.alloc(50) })),
      )
      const tables = [
        await world.writeTable(TableKind.data, entries),
        await world.writeTable(TableKind.data, entries),
      ]
      const { number, bytes } = tables[1]!.info
      await world.flipByte(number, bytes >> 1)
      const job = { type: 'verify', directory: DIRECTORY, tables, bytesPerSecondMax: 0 } as const
      const result = await world.run<VerifyResult>(job)
      expect(result.damages).toHaveLength(1)
      expect(result.damages[0]).toMatchObject({ table: number })
      expect(result.bytes).toBeGreaterThanOrEqual(tables[0]!.info.bytes * 2)

      const beganMs = world.sim.nowMs
      await world.run<VerifyResult>({ ...job, bytesPerSecondMax: result.bytes / 3 })
      expect(world.sim.nowMs - beganMs).toBeGreaterThan(2_500)
    })
  })
})
