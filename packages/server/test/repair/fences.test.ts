import {
  compareStamps,
  STAMP_BYTES,
  STAMP_TAG_BYTES,
  WriteMode,
  writeStamp,
} from '@cassiopeia/protocol'
import { Fences, Passage } from '../../src/repair/fences'

const TAG = Buffer.alloc(STAMP_TAG_BYTES, 0xff)
const { write, repair, hint } = WriteMode
const { free, fenced, settled } = Passage

function stamp(ms: number, counter = 0xffff): Buffer {
  const bytes = Buffer.alloc(STAMP_BYTES)
  writeStamp(bytes, 0, ms, counter, TAG)
  return bytes
}

function passage(fences: Fences, mode: WriteMode, ms: number): Passage {
  return fences.passageOf(2, mode, stamp(ms), 0)
}

test('without a fence everything passes', () => {
  const fences = new Fences(4)
  for (const mode of [write, repair, hint]) {
    expect(passage(fences, mode, 1)).toBe(free)
    expect(passage(fences, mode, 0)).toBe(free)
  }
})

test('a fence keeps out writes and hints as old, and lets copies pass', () => {
  const fences = new Fences(4)
  fences.raise(2, 1_000)
  expect([write, repair, hint].map((mode) => passage(fences, mode, 1_000))).toEqual([
    fenced,
    free,
    fenced,
  ])
  for (const mode of [write, repair, hint]) expect(passage(fences, mode, 1_001)).toBe(free)
  expect(fences.passageOf(1, write, stamp(5), 0)).toBe(free)
})

test('what is proven takes no copies either, and is fenced', () => {
  const fences = new Fences(4)
  expect(fences.prove(2, 1_000)).toBe(true)
  fences.raise(2, 2_000)
  expect([write, repair, hint].map((mode) => passage(fences, mode, 1_000))).toEqual([
    fenced,
    settled,
    fenced,
  ])
  expect(passage(fences, repair, 1_001)).toBe(free)
})

test('limits only rise', () => {
  const fences = new Fences(4)
  fences.prove(2, 1_000)
  fences.raise(2, 900)
  expect(fences.prove(2, 1_000)).toBe(false)
  expect(fences.prove(2, 999)).toBe(false)
  expect([fences.fenceOf(2), fences.provenOf(2)]).toEqual([1_000, 1_000])
})

test('a mode that nobody knows is treated like a write', () => {
  const fences = new Fences(4)
  fences.prove(2, 1_000)
  expect(passage(fences, 77 as WriteMode, 1_000)).toBe(fenced)
})

test('the stamp of a fence is above all that it keeps out, and below the next millisecond', () => {
  const fences = new Fences(4)
  fences.raise(2, 1_000)
  const target = Buffer.alloc(STAMP_BYTES + 3)
  fences.writeFence(2, target, 3)
  expect(compareStamps(target, 3, stamp(1_000), 0)).toBeGreaterThanOrEqual(0)
  expect(compareStamps(target, 3, stamp(1_001, 0), 0)).toBeLessThan(0)
})

test('proofs name a stamp for each partition, zero where nothing is proven', () => {
  const fences = new Fences(4)
  fences.raise(1, 7)
  fences.prove(2, 1_000)
  const proofs = Buffer.from(fences.proofs())
  expect(proofs.length).toBe(4 * STAMP_BYTES)
  expect(compareStamps(proofs, 2 * STAMP_BYTES, stamp(1_000), 0)).toBe(0)
  for (const partition of [0, 1, 3]) {
    const at = partition * STAMP_BYTES
    expect(proofs.subarray(at, at + STAMP_BYTES)).toEqual(Buffer.alloc(STAMP_BYTES))
  }
})
