import { BATCH_HEADER_BYTES, FILE_HEADER_BYTES, hintFileName } from '../../src/hints/hint-format'
import { DIRECTORY, HintWorld, MEMBER, OTHER, range } from './support'

const PATH = `${DIRECTORY}/${MEMBER}/${hintFileName(1)}`

interface Made {
  readonly file: Buffer
  /** Where each batch begins, and the file's end. */
  readonly starts: readonly number[]
  /** Cells of each batch. */
  readonly batches: readonly (readonly number[])[]
}

/** A file of three batches, of 3, 2 and 4 cells. */
async function makeFile(): Promise<Made> {
  const world = new HintWorld(1)
  await world.open()
  const batches = [range(0, 3), range(3, 5), range(5, 9)]
  for (const batch of batches) {
    world.keep(batch[0]!, batch.at(-1)! + 1)
    await world.sim.advance(200)
  }
  await world.close()
  const file = world.node.disk.peek(PATH)
  const starts = [FILE_HEADER_BYTES]
  for (const _ of batches) {
    const at = starts.at(-1)!
    starts.push(at + BATCH_HEADER_BYTES + file.readUInt32BE(at + 12))
  }
  expect(starts.at(-1)).toBe(file.length)
  return { file, starts, batches }
}

/** Opens over a file with these bytes, and replays it to its end. */
async function replayed(bytes: Buffer, path = PATH): Promise<HintWorld> {
  const world = new HintWorld(2)
  const { disk } = world.node.ports
  await world.sim.run(async () => {
    await disk.makeDirectory(path.slice(0, path.lastIndexOf('/')))
    const file = await disk.open(path, 'create')
    await file.append([bytes])
    await file.close()
    await world.opening()
  })
  world.owner.connect(MEMBER)
  world.owner.connect(OTHER)
  await world.sim.advance(20)
  await world.drained(5_000)
  return world
}

describe('hint damage', () => {
  test('hint damage: each bit flipped: the batch is lost, and told; all others are delivered', async () => {
    const { file, starts, batches } = await makeFile()
    for (const bit of range(0, file.length * 8)) {
      const damaged = Buffer.from(file)
      damaged[bit >>> 3]! ^= 1 << (bit & 7)
      const world = await replayed(damaged)
      const hit = starts.findLastIndex((start) => start <= bit >>> 3)
      const whole = hit < 0 ? [] : batches.filter((_, i) => i !== hit).flat()
      expect([bit, world.owner.sent]).toEqual([bit, whole])
      expect([bit, world.owner.lost, world.counters.hintsLost]).toEqual([bit, 1, 1])
      expect(world.hintFiles()).toEqual([])
    }
  })

  test('hint damage: cut at each length: what is whole is delivered, a torn tail is told', async () => {
    const { file, starts, batches } = await makeFile()
    for (const length of range(0, file.length)) {
      const world = await replayed(file.subarray(0, length))
      const whole = batches.filter((_, i) => starts[i + 1]! <= length).flat()
      expect([length, world.owner.sent]).toEqual([length, whole])
      expect([length, world.owner.lost]).toEqual([length, starts.includes(length) ? 0 : 1])
      expect(world.hintFiles()).toEqual([])
    }
  })

  test('hint damage: bytes of something else before, between and behind: only what was kept is delivered', async () => {
    const { file, starts, batches } = await makeFile()
    const at = starts[1]!
    const stale = file.subarray(starts[0], starts[1])
    const noise = Buffer.concat([Buffer.from('CHBTCHBT'), Buffer.alloc(600, 'CHB'), stale])
    const overwritten = Buffer.from(file)
    noise.copy(overwritten, at, 0, starts[2]! - at)
    const world = await replayed(overwritten)
    expect(world.owner.sent).toEqual([...batches[0]!, ...batches[2]!])
    expect(world.owner.lost).toBe(1)
    const behind = await replayed(Buffer.concat([file, noise]))
    expect(behind.owner.sent).toEqual(batches.flat())
    expect(behind.owner.lost).toBe(1)
    const zeros = await replayed(Buffer.concat([file, Buffer.alloc(300_000)]))
    expect(zeros.owner.sent).toEqual(batches.flat())
    const shifted = await replayed(Buffer.concat([file.subarray(0, at), noise, file.subarray(at)]))
    expect(shifted.owner.sent).toEqual(batches[0])
  })

  test('hint damage: a batch behind a long stretch of damage: is found', async () => {
    const world = new HintWorld(1)
    await world.open()
    for (const i of range(0, 8)) {
      world.keep(i, i + 1, { valueBytes: i === 4 ? 1_000_000 : 200_000 })
      await world.sim.advance(200)
    }
    await world.close()
    for (const byte of [300_000, 1_000_000, 1_900_000]) world.node.disk.flipBit(PATH, byte * 8)
    world.restart()
    await world.open()
    world.owner.connect(MEMBER)
    await world.drained()
    // Cell 3 is a tombstone, and small.
    expect(world.owner.sent).toEqual([0, 2, 3, 5, 7])
    expect(world.owner.lost).toBe(3)
  })

  test.each([
    ['for another member', `${DIRECTORY}/${OTHER}/${hintFileName(1)}`],
    ['under another number', `${DIRECTORY}/${MEMBER}/${hintFileName(2)}`],
  ])('hint damage: a file %s: is not delivered', async (_, path) => {
    const { file } = await makeFile()
    const world = await replayed(file, path)
    expect(world.owner).toMatchObject({ sent: [], lost: 1 })
    expect(world.hintFiles()).toEqual([])
  })

  test('hint damage: files that are not ours: are left alone', async () => {
    const { file } = await makeFile()
    for (const path of [`${DIRECTORY}/README.md`, `${DIRECTORY}/${MEMBER}/1.hints`]) {
      const world = await replayed(file, path)
      expect(world.owner).toMatchObject({ sent: [], lost: 0 })
      expect(world.hintFiles()).toEqual([path])
    }
  })

  test('hint damage: in the file that is being written: later hints are delivered', async () => {
    const world = new HintWorld(1)
    await world.open()
    world.keep(0, 10)
    await world.sim.advance(2_000)
    world.keep(10, 20)
    await world.sim.advance(2_000)
    world.node.disk.flipBit(PATH, 8 * (FILE_HEADER_BYTES + 100))
    world.owner.connect(MEMBER)
    world.keep(20, 30)
    await world.drained()
    expect(world.owner.sent).toEqual(range(10, 30))
    expect(world.owner.lost).toBe(1)
    world.keep(30, 40)
    await world.drained()
    expect(world.owner.sent).toEqual(range(10, 40))
  })
})
