import { Simulation } from '@cassiopeia/env'
import { type CassioError, STAMP_BYTES, stampMs } from '@cassiopeia/protocol'
import { Stamper } from '../../src/coordinator/stamper'
import { ClockWatch } from '../../src/gossip/clock-watch'

const OPTIONS = { tag: Buffer.alloc(8, 1), reserveAheadMs: 1_000, maxClockAheadMs: 10_000 }

async function opened(seed: number) {
  const simulation = new Simulation({ seed })
  const process = simulation.process('node')
  const fatal: CassioError[] = []
  await simulation.run(process.ports.disk.makeDirectory('/data'))
  const stamper = await simulation.run(
    Stamper.open('/data/clock', OPTIONS, process.ports, (error) => fatal.push(error)),
  )
  return { simulation, process, stamper, fatal }
}

describe('stamper', () => {
  test('stamper: the disk is full: it refuses, and goes on once there is room', async () => {
    const { simulation, process, stamper, fatal } = await opened(1)
    process.disk.faults.quotaBytes = 0
    await simulation.advance(3_000)
    expect(stamper.refusal()?.code).toBe('CASSIO_DISK_FULL')
    process.disk.faults.quotaBytes = Number.POSITIVE_INFINITY
    await simulation.advance(1_000)
    expect([stamper.refusal(), fatal]).toEqual([undefined, []])
    expect(stamper.stamp(Buffer.alloc(STAMP_BYTES), 0)).toBe(true)
  })

  test('stamper: any other failure of the disk is final', async () => {
    const { simulation, process, fatal } = await opened(2)
    process.disk.faults.syncFailProbability = 1
    await simulation.advance(3_000)
    expect(fatal.map(({ code }) => code)).toEqual(['CASSIO_STORAGE'])
  })

  test.each([38_000, -38_000])(
    'stamper: its clock jumps by %d ms: nothing is stamped until others are heard',
    async (ms) => {
      const { simulation, process, stamper } = await opened(3)
      const watch = new ClockWatch(2)
      stamper.clockWatch = watch
      watch.observe('peer', process.ports.clock.wallMs(), process.ports.clock.wallMs())
      expect(stamper.refusal()).toBeUndefined()
      const before = process.ports.clock.wallMs()
      process.skewClock(ms)
      expect(stamper.refusal()?.code).toBe('CASSIO_STAMP_AHEAD')
      await simulation.advance(20_000)
      expect(stamper.refusal()?.code).toBe('CASSIO_STAMP_AHEAD')
      watch.observe('peer', before + 20_000, process.ports.clock.wallMs())
      expect(stamper.refusal()?.code).toBe(ms > 0 ? 'CASSIO_STAMP_AHEAD' : undefined)
    },
  )

  // The stamps stayed ahead, and were refused by all others, after the wall clock had been set right.
  test('stamper: set back after it was far ahead: it waits until its stamps are not', async () => {
    const { simulation, process, stamper } = await opened(4)
    const watch = new ClockWatch(2)
    stamper.clockWatch = watch
    const { clock } = process.ports
    const hear = () => watch.observe('peer', clock.wallMs(), clock.wallMs())
    const foreign = Buffer.alloc(STAMP_BYTES)
    process.skewClock(38_000)
    hear()
    await simulation.advance(2_000)
    expect(stamper.stamp(foreign, 0)).toBe(true)
    process.skewClock(-38_000)
    stamper.refusal()
    hear()
    expect(stampMs(foreign, 0) - clock.wallMs()).toBeGreaterThan(30_000)
    expect(stamper.refusal()?.code).toBe('CASSIO_STAMP_AHEAD')
    await simulation.advance(30_000)
    expect(stamper.refusal()).toBeUndefined()
  })

  test('stamper: just started: others must be heard, unless it hears of nobody for long', async () => {
    const { simulation, stamper } = await opened(5)
    stamper.clockWatch = new ClockWatch(2)
    expect(stamper.refusal()?.code).toBe('CASSIO_STAMP_AHEAD')
    await simulation.advance(10_100)
    expect(stamper.refusal()).toBeUndefined()
  })
})
