import { type DiskFile, KeyedRandom } from '@cassiopeia/env'
import {
  BATCH_HEADER_BYTES,
  encodeBatchHeader,
  SEGMENT_HEADER_BYTES,
} from '../../src/commit-log/format'
import { SegmentReader } from '../../src/commit-log/reader'
import { testSeeds } from '../support'

const SEED = 77
const KIB = 1_024
const MIB = 1_024 * KIB

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** A segment whose batches have so many bytes of cells; its header is blank. */
function segmentOf(cellBytes: readonly number[]): Buffer {
  const parts: Uint8Array[] = [Buffer.alloc(SEGMENT_HEADER_BYTES)]
  let position = SEGMENT_HEADER_BYTES
  for (const bytes of cellBytes) {
    const header = Buffer.alloc(BATCH_HEADER_BYTES)
    const cells = Buffer.alloc(bytes, `cells at ${position}`)
    encodeBatchHeader(header, SEED, position, position, bytes === 0 ? 0 : 1, [cells])
    parts.push(header, cells)
    position += BATCH_HEADER_BYTES + bytes
  }
  return Buffer.concat(parts)
}

/** A file that answers with the next turn, and tells what was asked of it. */
class AskedFile {
  readonly asked: { position: number; bytes: number }[] = []
  /** Reads that begin here or beyond fail. */
  failsFrom = Number.POSITIVE_INFINITY

  constructor(readonly contents: Buffer) {}

  async read(target: Buffer, position: number): Promise<number> {
    this.asked.push({ position, bytes: target.length })
    await nextTurn()
    if (position >= this.failsFrom) throw new Error('EIO')
    return this.contents.copy(target, 0, position, position + target.length)
  }

  reader(): SegmentReader {
    return new SegmentReader(this as unknown as DiskFile, this.contents.length, SEED)
  }
}

/** @returns all cells that were visited, and how reading ended. */
async function readAll(reader: SegmentReader) {
  const cells: Buffer[] = []
  const end = await reader.read((bytes, from, to) => {
    cells.push(Buffer.from(bytes.subarray(from, to)))
  })
  return { cells: Buffer.concat(cells), end }
}

/** The cells of `segmentOf`. */
function cellsIn(segment: Buffer, cellBytes: readonly number[]): Buffer {
  let at = SEGMENT_HEADER_BYTES
  const parts = cellBytes.map((bytes) => {
    at += BATCH_HEADER_BYTES + bytes
    return segment.subarray(at - bytes, at)
  })
  return Buffer.concat(parts)
}

describe('segment reader', () => {
  testSeeds('segment reader: batches of all sizes: every byte once (60)', 3, async (seed) => {
    const random = new KeyedRandom(seed, 'sizes')
    const sizes = Array.from({ length: 60 }, () => random.below(2 ** (4 + random.below(18))))
    const file = new AskedFile(segmentOf(sizes))
    const { cells, end } = await readAll(file.reader())
    expect(cells.equals(cellsIn(file.contents, sizes))).toBe(true)
    expect(end).toMatchObject({ soundBytes: file.contents.length, fault: undefined })
  })

  test('segment reader: a window is visited: the next one is being read, from a batch on', async () => {
    const sizes = Array.from({ length: 40 }, () => 100 * KIB)
    const file = new AskedFile(segmentOf(sizes))
    const askedAtVisit: number[] = []
    await file.reader().read(() => {
      askedAtVisit.push(file.asked.length)
    })
    // Ten batches lie in a window.
    expect(askedAtVisit.slice(0, 11)).toEqual([...Array(10).fill(2), 3])
    expect(askedAtVisit.at(-1)).toBe(file.asked.length)
    file.asked.forEach(({ position, bytes }, index) => {
      expect((position - SEGMENT_HEADER_BYTES) % (BATCH_HEADER_BYTES + 100 * KIB)).toBe(0)
      if (index < file.asked.length - 1) expect(bytes).toBe(MIB)
    })
    const read = file.asked.reduce((sum, { bytes }) => sum + bytes, 0)
    expect(read).toBeLessThan(file.contents.length * 1.1)
  })

  test('segment reader: batches larger than a window: read ahead once their size is known', async () => {
    const sizes = Array.from({ length: 8 }, () => 3 * MIB)
    const file = new AskedFile(segmentOf(sizes))
    const { cells } = await readAll(file.reader())
    expect(cells.equals(cellsIn(file.contents, sizes))).toBe(true)
    // The first one's header came with a window that was too small for it.
    expect(file.asked.length).toBe(sizes.length + 1)
  })

  test('segment reader: a damaged length: what was read ahead by it does no harm', async () => {
    const sizes = Array.from({ length: 30 }, () => 100 * KIB)
    for (const length of [0, 7, 200 * KIB, 2 ** 32 - 1]) {
      const segment = segmentOf(sizes)
      const damagedAt = SEGMENT_HEADER_BYTES + 4 * (BATCH_HEADER_BYTES + 100 * KIB)
      segment.writeUInt32BE(length, damagedAt + 16)
      const file = new AskedFile(segment)
      const reader = file.reader()
      const { cells, end } = await readAll(reader)
      expect(cells.equals(cellsIn(segment, sizes.slice(0, 4)))).toBe(true)
      expect(end.soundBytes).toBe(damagedAt)
      expect(end.fault).toBeDefined()
      // The last batch says that all before it was durable.
      const lastAt = segment.length - BATCH_HEADER_BYTES - 100 * KIB
      expect(await reader.durableBehind(damagedAt)).toBe(lastAt)
    }
  })

  test('segment reader: reading ahead fails: told when it comes to that, not before', async () => {
    const file = new AskedFile(segmentOf(Array.from({ length: 30 }, () => 100 * KIB)))
    file.failsFrom = MIB / 2
    let visits = 0
    await expect(
      file.reader().read(() => {
        visits += 1
      }),
    ).rejects.toThrow('EIO')
    expect(visits).toBe(10)
  })

  test('segment reader: reading ends before what is read ahead fails: nobody is told', async () => {
    const file = new AskedFile(segmentOf(Array.from({ length: 30 }, () => 100 * KIB)))
    file.failsFrom = MIB / 2
    const unhandled = jest.fn()
    process.on('unhandledRejection', unhandled)
    const refused = file.reader().read(() => {
      throw new Error('an unsound cell')
    })
    await expect(refused).rejects.toThrow('an unsound cell')
    // The read ahead fails with the first turn; Node tells of it after that.
    for (let turn = 0; turn < 3; turn += 1) await nextTurn()
    process.off('unhandledRejection', unhandled)
    expect(file.asked.length).toBe(2)
    expect(unhandled).not.toHaveBeenCalled()
  })

  test('segment reader: the file is shorter than it was: an error, no end', async () => {
    const { contents } = new AskedFile(segmentOf(Array.from({ length: 30 }, () => 100 * KIB)))
    const file = new AskedFile(contents.subarray(0, contents.length / 2))
    const reader = new SegmentReader(file as unknown as DiskFile, contents.length, SEED)
    await expect(readAll(reader)).rejects.toThrow(/while being read/)
  })
})
