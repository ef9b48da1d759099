import * as fs from 'node:fs'
import * as path from 'node:path'
import { keyHash } from '@cassiopeia/protocol'
import {
  comparePeers,
  keyVector,
  lanes,
  nextPlacement,
  nodeVectors,
  type PlacementMember,
  type PlacementTable,
  partitionOf,
  partitionVector,
  similarity,
} from '../src'

/**
 * What every version must compute: a change of any line here breaks clusters
 * that exist. `UPDATE_GOLDEN=1 npx jest packages/placement` rewrites the file.
 */
const GOLDEN = path.join(__dirname, 'golden', 'placement.txt')

const KEYS = ['', 'a', 'user:1', 'user:2', 'user:200000', 'Cassiopeia', 'ключ', 'x'.repeat(300)]
const IDS = [
  '00000000-0000-4000-8000-000000000000',
  '6f1c9c1e-5d0b-4b5e-9a53-0c2f7a1d4e88',
  'node-1',
]

function hashOf(bytes: Uint8Array): string {
  return keyHash(bytes, 0, bytes.length).toString(16).padStart(13, '0')
}

function* goldenLines(): Generator<string> {
  for (const key of KEYS) {
    const bytes = Buffer.from(key)
    const hash = keyHash(bytes, 0, bytes.length)
    const partitions = [10, 11, 12, 16, 20].map((bits) => partitionOf(hash, bits))
    yield `key ${JSON.stringify(key.slice(0, 20))} hash ${hash} partitions ${partitions.join(' ')}`
    yield `  lanes ${Array.from(lanes(hash), (word) => word.toString(16).padStart(8, '0')).join(' ')}`
    yield `  vector ${keyVector(hash).join(' ')}`
  }
  for (const [partition, bits] of [
    [0, 10],
    [1023, 10],
    [2741, 12],
    [777_777, 20],
  ] as const) {
    yield `partition ${partition} of 2^${bits} vector ${partitionVector(partition, bits).join(' ')}`
  }
  for (const id of IDS) {
    const vectors = nodeVectors(id, 2)
    for (const i of [0, 1, 15, 31]) yield `node ${id} vector ${i} ${vectors[i]!.join(' ')}`
    yield `node ${id} similarity ${similarity(vectors, partitionVector(2741, 12))}`
  }
  yield `peers ${[...IDS].sort(comparePeers).join(' ')}`

  const members = Array.from({ length: 40 }, (_, i): PlacementMember => {
    return { id: `golden-${i}`, weight: 1 + (i % 7 === 6 ? 2 : 0), rack: `rack-${i % 5}` }
  })
  for (const bits of [10, 12]) {
    const options = { replicationFactor: 3, partitionBits: bits }
    for (const count of [1, 3, 5, 12, 40]) {
      const table = nextPlacement(undefined, members.slice(0, count), options)
      yield `founding ${count} members 2^${bits} table ${hashOf(table.toBytes())}`
    }
    let table: PlacementTable | undefined
    for (const [first, end] of [
      [0, 2],
      [0, 4],
      [0, 9],
      [1, 9],
      [1, 20],
      [5, 20],
      [5, 40],
      [30, 40],
    ] as const) {
      table = nextPlacement(table, members.slice(first, end), options)
      const name = `then members ${first} to ${end - 1}`
      yield `${name} 2^${bits} table ${hashOf(table.toBytes())}`
    }
  }
}

test('golden vectors: hashes, vectors and tables: as they have always been', () => {
  const text = `${[...goldenLines()].join('\n')}\n`
  if (process.env.UPDATE_GOLDEN === '1') fs.writeFileSync(GOLDEN, text)
  expect(text).toBe(fs.readFileSync(GOLDEN, 'utf8'))
})
