#!/usr/bin/env node
/**
 * Makes the files that every later version must open, in `test/formats/v1`, from the built packages
 * (`npm run build` first):
 *
 *   node test/formats/make-fixtures.js
 *
 * Made again by the same code they come out the same. They stand for the version that wrote them: when
 * a format changes, its version rises and new files go to another directory; these stay as they are.
 */
const { cp, mkdir, rm, writeFile } = require('node:fs/promises')
const { join } = require('node:path')
const { nodePorts } = require('@cassiopeia/env')
const {
  CELL_HEADER_BYTES,
  CELL_STAMP_AT,
  CellFlag,
  ValueKind,
  cellBytes,
  cellKeyLength,
  keyHash,
  setCellExpiryMs,
  writeCell,
  writeStamp,
} = require('@cassiopeia/protocol')
const { NEVER_PROVEN, openCellStore } = require('@cassiopeia/storage')

const TARGET = join(__dirname, 'v1')
const CREATED_MS = Date.UTC(2025, 0, 1)
const EXPIRED_MS = Date.UTC(2025, 1, 1)
const FAR_MS = Date.UTC(2125, 0, 1)
const NODE_TAG = Buffer.from('formats!')
const PARTITIONS = 4

/** What the keys must say; those that were written more than once, their newest cell. */
const expected = new Map()
let ms = CREATED_MS

async function main() {
  await rm(TARGET, { recursive: true, force: true })
  const closed = join(TARGET, 'closed')
  const crashed = join(TARGET, 'crashed')
  await mkdir(closed, { recursive: true })
  await session(closed, { compression: 'none' }, async (store) => {
    const cells = []
    for (let i = 0; i < 60; i += 1) cells.push(cell(`plain-${pad(i)}`, `plain value ${i}`))
    cells.push(cell('empty value', ''))
    cells.push(cell(Buffer.from([0, 255, 0, 254]), Buffer.from([1, 0, 2])))
    cells.push(cell(Buffer.alloc(300, 'long key '), 'of a long key'))
    cells.push(cell('large value', Buffer.alloc(3_000, 'large ')))
    cells.push(cell('text', 'Grüße', { kind: ValueKind.text }))
    cells.push(cell('message', Buffer.from([0x93, 1, 2, 3]), { kind: ValueKind.messagePack }))
    cells.push(cell('expired', 'gone', { expiryMs: EXPIRED_MS }))
    cells.push(cell('expires late', 'here', { expiryMs: FAR_MS }))
    await write(store, cells)
    await store.flush()
  })
  await session(closed, { compression: 'deflate' }, async (store) => {
    const cells = []
    for (let i = 54; i < 70; i += 1) cells.push(cell(`plain-${pad(i)}`, `packed ${i} `.repeat(12)))
    for (let i = 0; i < 8; i += 1) cells.push(cell(`plain-${pad(i)}`, undefined))
    cells.push(cell('never had a value', undefined))
    await write(store, cells)
    await store.flush()
  })
  await session(closed, {}, async (store) => {
    for (let i = 0; i < 24; i += 1) {
      await write(store, [
        cell(`logged-${pad(i)}`, `logged value ${i} `.repeat(3)),
        cell(`plain-${pad(40 + i)}`, i % 5 === 0 ? undefined : `logged over ${i}`),
      ])
    }
    // As a process that is killed leaves it: without the mark at the end of the log.
    await cp(closed, crashed, { recursive: true })
    await rm(join(crashed, 'LOCK'), { force: true })
  })
  const keys = [...expected.values()]
  await writeFile(
    join(TARGET, 'expected.json'),
    `${JSON.stringify({ PARTITIONS, keys }, null, 2)}\n`,
  )
}

/** Opens the store with a clock that stands still, so that its files do not depend on the day. */
async function session(directory, options, use) {
  const ports = { ...nodePorts(), clock: { wallMs: () => CREATED_MS, monotonicMs: () => 0 } }
  const store = await openCellStore(
    {
      directory,
      partitions: PARTITIONS,
      partitionOf,
      segmentBytes: 1_024,
      blockBytes: 512,
      proof: NEVER_PROVEN,
      ...options,
    },
    ports,
  )
  await use(store)
  await store.close()
}

/** @param value Undefined: a tombstone. */
function cell(key, value, { kind = ValueKind.bytes, expiryMs } = {}) {
  const keyBytes = Buffer.from(key)
  const valueBytes = Buffer.from(value ?? '')
  const bytes = Buffer.alloc(cellBytes(keyBytes.length, valueBytes.length))
  const flags =
    (value === undefined ? CellFlag.tombstone : 0) | (expiryMs === undefined ? 0 : CellFlag.expires)
  ms += 1_000
  writeCell(bytes, 0, keyBytes, valueBytes, flags, kind)
  writeStamp(bytes, CELL_STAMP_AT, ms, 7, NODE_TAG)
  if (expiryMs !== undefined) setCellExpiryMs(bytes, 0, expiryMs)
  expected.set(keyBytes.toString('hex'), {
    key: keyBytes.toString('hex'),
    value: value === undefined ? null : valueBytes.toString('hex'),
    kind,
    stampMs: ms,
    expiryMs: expiryMs ?? null,
  })
  return bytes
}

function write(store, cells) {
  return new Promise((resolve, reject) => {
    let left = cells.length
    const sink = {
      onWritten() {
        left -= 1
        if (left === 0) resolve()
      },
      onWriteFailed: (_token, error) => reject(error),
    }
    for (const bytes of cells) {
      const hash = keyHash(bytes, CELL_HEADER_BYTES, CELL_HEADER_BYTES + cellKeyLength(bytes, 0))
      store.write(bytes, 0, partitionOf(hash), hash, sink, 0)
    }
  })
}

function partitionOf(hash) {
  return Math.floor(hash / 2 ** 32) % PARTITIONS
}

function pad(i) {
  return String(i).padStart(3, '0')
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exitCode = 1
})
