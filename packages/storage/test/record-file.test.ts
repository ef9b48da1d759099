import type { CassioError } from '@cassiopeia/protocol'
import { readRecord, writeRecord } from '../src'
import { RECORD_BYTES_MAX } from '../src/record-file'
import { plant, simulate } from './support'

const PATH = '/data/identity'

async function prepared(seed = 1) {
  const world = simulate(seed)
  await world.sim.run(() => world.node.ports.disk.makeDirectory('/data'))
  return world
}

describe('record file', () => {
  test('record file: missing: undefined; written: the payload, empty ones too', async () => {
    const { sim, node } = await prepared()
    const { disk } = node.ports
    await sim.run(async () => {
      expect(await readRecord(disk, PATH)).toBeUndefined()
      for (const payload of ['first', '', 'third, longer']) {
        await writeRecord(disk, PATH, Buffer.from(payload))
        expect((await readRecord(disk, PATH))?.toString()).toBe(payload)
      }
      expect(await disk.list('/data')).toEqual(['identity'])
      const large = Buffer.alloc(RECORD_BYTES_MAX + 1)
      await expect(writeRecord(disk, PATH, large)).rejects.toThrow(RangeError)
    })
  })

  test('record file: crash at each I/O call of a replacement: the old or the new, whole', async () => {
    for (let calls = 1; calls <= 8; calls += 1) {
      for (let seed = 1; seed <= 12; seed += 1) {
        const { sim, node } = await prepared(seed)
        await sim.run(writeRecord(node.ports.disk, PATH, Buffer.from('old')))
        const limit = node.disk.ioCalls + calls
        let done = false
        void writeRecord(node.ports.disk, PATH, Buffer.from('new')).then(() => {
          done = true
        })
        await sim.runUntil(() => node.disk.ioCalls >= limit || done)
        if (seed % 3 === 0) node.kill()
        else node.powerCut()
        node.restart()
        const { disk } = node.ports
        const found = (await sim.run(readRecord(disk, PATH)))?.toString()
        expect(['old', 'new']).toContain(found)
        if (done) expect(found).toBe('new')
        // What the crash left aside is not in the way of the next.
        await sim.run(writeRecord(disk, PATH, Buffer.from('next')))
        expect((await sim.run(readRecord(disk, PATH)))?.toString()).toBe('next')
      }
    }
  })

  test('record file: each I/O call fails: the write rejects, the file is whole', async () => {
    for (const fault of ['EIO', 'ENOSPC', 'short-write'] as const) {
      for (let call = 1; ; call += 1) {
        const { sim, node } = await prepared()
        const { disk } = node.ports
        await sim.run(writeRecord(disk, PATH, Buffer.from('old')))
        const before = node.disk.ioCalls
        node.disk.faults.failCall(before + call, fault)
        const failed = await sim.run(
          writeRecord(disk, PATH, Buffer.from('new')).then(
            () => false,
            () => true,
          ),
        )
        if (node.disk.ioCalls < before + call) break
        expect(failed).toBe(true)
        expect(['old', 'new']).toContain((await sim.run(readRecord(disk, PATH)))?.toString())
      }
    }
  })

  test('record file: every bit flipped, every length: CASSIO_CORRUPT, naming the file', async () => {
    const { sim, node } = await prepared()
    const { disk } = node.ports
    await sim.run(writeRecord(disk, PATH, Buffer.from('payload')))
    const whole = node.disk.peek(PATH)
    const refused = () => sim.run(readRecord(disk, PATH)).catch((error: CassioError) => error)
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      node.disk.flipBit(PATH, bit)
      expect(await refused()).toMatchObject({
        code: 'CASSIO_CORRUPT',
        message: expect.stringContaining(PATH),
      })
      node.disk.flipBit(PATH, bit)
    }
    for (let length = 0; length < whole.length; length += 1) {
      await plant(sim, node, PATH, whole.subarray(0, length))
      expect(await refused()).toMatchObject({ code: 'CASSIO_CORRUPT' })
    }
    await plant(sim, node, PATH, Buffer.concat([whole, Buffer.alloc(1)]))
    expect(await refused()).toMatchObject({ code: 'CASSIO_CORRUPT' })
  })
})
