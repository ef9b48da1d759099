import { keyHash } from '@cassiopeia/protocol'
import { nextPlacement, PlacementTable } from '../src'
import { membersOf, nodeIds, OPTIONS, SeededRandom } from './support'

const BITS = 10
const options = { ...OPTIONS, partitionBits: BITS }

function tableOf(memberCount: number, replicationFactor = 3): PlacementTable {
  const members = membersOf(nodeIds(memberCount))
  return nextPlacement(undefined, members, { ...options, replicationFactor })
}

/** Replaces the checksum, so that what follows it is what is tested. */
function sealed(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = bytes.length - 8
  const checksum = keyHash(bytes, 0, end)
  view.setUint32(end, checksum >>> 0, true)
  view.setUint32(end + 4, Math.floor(checksum / 2 ** 32), true)
  return bytes
}

test.each([
  [1, 3],
  [2, 3],
  [3, 3],
  [12, 3],
  [12, 5],
  [255, 3],
  [256, 3],
])('placement table: encode and decode: the same table (%i members, RF=%i)', (members, factor) => {
  const table = tableOf(members, factor)
  const bytes = table.toBytes()
  const decoded = PlacementTable.fromBytes(bytes)
  expect(decoded.equals(table)).toBe(true)
  expect(Buffer.compare(decoded.toBytes(), bytes)).toBe(0)
  // At an offset in a larger buffer, as it arrives in a frame.
  const framed = new Uint8Array(bytes.length + 9)
  framed.set(bytes, 5)
  expect(PlacementTable.fromBytes(framed.subarray(5, 5 + bytes.length)).equals(table)).toBe(true)
})

test('placement table: 12 members at 2^12 partitions: about 12 KiB', () => {
  const table = nextPlacement(undefined, membersOf(nodeIds(12)), OPTIONS)
  expect(table.toBytes().length).toBe(10 + 12 * 37 + 3 * 4096 + 8)
})

test('placement table: any byte changed: rejected (every byte of the head, 500 others, seed 1)', () => {
  const random = new SeededRandom(1)
  const bytes = tableOf(5).toBytes()
  const positions = Array.from({ length: 210 }, (_, i) => i)
  for (let i = 0; i < 500; i++) positions.push(random.below(bytes.length))
  for (const position of positions) {
    const damaged = Uint8Array.from(bytes)
    damaged[position]! ^= 1 + random.below(255)
    expect(() => PlacementTable.fromBytes(damaged)).toThrow(RangeError)
  }
})

test('placement table: cut short or too long: rejected', () => {
  const bytes = tableOf(3).toBytes()
  for (let length = 0; length < bytes.length; length += length < 300 ? 1 : 97) {
    expect(() => PlacementTable.fromBytes(bytes.subarray(0, length))).toThrow(RangeError)
  }
  const longer = new Uint8Array(bytes.length + 1)
  longer.set(bytes)
  expect(() => PlacementTable.fromBytes(longer)).toThrow(RangeError)
})

test('placement table: random bytes behind a valid checksum: rejected or valid (seed 2)', () => {
  const random = new SeededRandom(2)
  const bytes = tableOf(4).toBytes()
  for (let i = 0; i < 1_000; i++) {
    const damaged = Uint8Array.from(bytes)
    damaged[random.below(200)] = random.below(256)
    sealed(damaged)
    try {
      const encoded = PlacementTable.fromBytes(damaged).toBytes()
      expect(Buffer.compare(encoded, damaged)).toBe(0)
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError)
    }
  }
})

test.each<[string, (bytes: Uint8Array) => void, RegExp]>([
  ['wrong magic', (b) => b.set([0], 0), /magic/],
  ['unknown version', (b) => b.set([2], 4), /version 2/],
  ['partition bits out of range', (b) => b.set([9], 5), /partitionBits/],
  ['huge replication factor', (b) => b.set([255], 6), /slots need/],
  ['largest claim of all', (b) => b.set([20, 255], 5), /slots need/],
  ['index width', (b) => b.set([2], 7), /indexes of 2 bytes/],
  ['no members', (b) => b.set([0, 0], 8), /slots need/],
  ['more members than ids', (b) => b.set([200, 0], 8), /member ids|slots need/],
  [
    'a member twice in a partition',
    (b) => b.copyWithin(b.length - 9, b.length - 10, b.length - 9),
    /twice/,
  ],
  ['a member out of range', (b) => b.set([7], b.length - 9), /must be a member below 4/],
  ['a hole with members enough', (b) => b.set([255], b.length - 9), /must be a member below 4/],
  ['ids out of order', (b) => b.set([0x7e], 11), /ascend/],
  ['an id with a space', (b) => b.set([0x20], 11), /printable/],
])('placement table: %s: rejected with a reason', (_, damage, reason) => {
  const bytes = tableOf(4).toBytes()
  damage(bytes)
  sealed(bytes)
  expect(() => PlacementTable.fromBytes(bytes)).toThrow(reason)
  expect(() => PlacementTable.fromBytes(bytes)).toThrow(RangeError)
})

test('placement table: accessors: agree with one another', () => {
  const table = tableOf(6)
  const counts = new Map<string, number>()
  for (let partition = 0; partition < table.partitionCount; partition++) {
    const ids = table.replicaIds(partition)
    expect(ids).toEqual([0, 1, 2].map((slot) => table.memberIds[table.replica(partition, slot)]))
    for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1)
    expect(table.memberIds.filter((_, i) => table.holds(partition, i))).toEqual([...ids].sort())
  }
  const loads = table.memberIds.map((_, i) => table.partitionsOf(i))
  expect(loads).toEqual(table.memberIds.map((id) => counts.get(id)))
})

test('placement table: different tables: not equal', () => {
  expect(tableOf(4).equals(tableOf(5))).toBe(false)
  expect(tableOf(4).equals(tableOf(4, 2))).toBe(false)
  const ids = nodeIds(4)
  const grown = nextPlacement(
    nextPlacement(undefined, membersOf(ids.slice(0, 3)), options),
    membersOf(ids),
    options,
  )
  expect(grown.equals(tableOf(4))).toBe(false)
  expect(grown.equals(grown)).toBe(true)
})
