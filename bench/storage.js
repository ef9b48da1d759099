/**
 * One store, measured alone: writes by sync mode at 256 in flight, reads, recovery, and the longest
 * that one write call held the event loop while the index grew.
 *
 *   node bench/storage.js [--small] [--directory DIR]
 *
 * Runs over packages/<name>/dist: build first. Figures depend on the machine, the disk and the
 * hour; compare ratios within one run.
 */
const { mkdtempSync, rmSync } = require('node:fs')
const os = require('node:os')
const { performance } = require('node:perf_hooks')
const { parseArgs } = require('node:util')
const { nodePorts } = require('../packages/env/dist')
const protocol = require('../packages/protocol/dist')
const { openStore } = require('../packages/storage/dist')

const { values: flags } = parseArgs({
  options: { small: { type: 'boolean', default: false }, directory: { type: 'string' } },
})
const SIZES = flags.small
  ? { writes: 20_000, reads: 20_000, recovered: 20_000, grown: 20_000 }
  : { writes: 1_000_000, reads: 2_000_000, recovered: 1_000_000, grown: 1_000_000 }
const IN_FLIGHT = 256
const VALUE_BYTES = 100
const PARTITION_BITS = 12

function keyHash(bytes, start, end) {
  let low = 0x811c9dc5
  let high = 0x01000193
  for (let i = start; i < end; i += 1) {
    low = Math.imul(low ^ bytes[i], 0x01000193)
    high = Math.imul(high ^ bytes[i], 0x5bd1e995)
  }
  return ((high >>> 0) & 0xfffff) * 2 ** 32 + (low >>> 0)
}

const partitionOf = (hash) => Math.floor(hash / 2 ** (52 - PARTITION_BITS))

/** Cells over a set of keys, each made in one buffer that the store copies from. */
class Cells {
  cell = Buffer.alloc(256)
  value = Buffer.alloc(VALUE_BYTES, 'v')
  tag = Buffer.alloc(8, 1)
  hash = 0

  make(index, ms) {
    const key = Buffer.from(`key:${String(index).padStart(14, '0')}`)
    const size = protocol.writeCell(this.cell, 0, key, this.value, 0, 0)
    protocol.writeStamp(this.cell, protocol.CELL_STAMP_AT, ms, 0, this.tag)
    const from = protocol.CELL_HEADER_BYTES
    this.hash = keyHash(this.cell, from, from + key.length)
    return size
  }
}

function open(directory, options = {}) {
  const onFatal = (error) => {
    throw error
  }
  return openStore({ directory, keyHash, partitionOf, onFatal, ...options }, nodePorts())
}

/** Keeps `IN_FLIGHT` writes under way until `count` are done. */
function writeAll(store, count, keys) {
  const cells = new Cells()
  let given = 0
  let done = 0
  let longestMs = 0
  return new Promise((resolve, reject) => {
    const sink = {
      onWritten() {
        done += 1
        if (done === count) resolve({ longestMs })
        else next()
      },
      onWriteFailed: (_token, error) => reject(error),
    }
    const next = () => {
      if (given === count) return
      given += 1
      cells.make(given % keys, given)
      const startedMs = performance.now()
      store.write(cells.cell, 0, partitionOf(cells.hash), cells.hash, sink, given)
      longestMs = Math.max(longestMs, performance.now() - startedMs)
    }
    for (let i = 0; i < Math.min(IN_FLIGHT, count); i += 1) next()
  })
}

function readAll(store, count, keys) {
  const key = Buffer.alloc(18)
  let found = 0
  const sink = {
    onRead(_token, cell) {
      if (cell !== undefined) found += 1
    },
    onReadFailed(_token, error) {
      throw error
    },
  }
  for (let i = 0; i < count; i += 1) {
    key.latin1Write(`key:${String((i * 7_919) % keys).padStart(14, '0')}`, 0)
    const hash = keyHash(key, 0, 18)
    store.read(key, 0, 18, partitionOf(hash), hash, sink, i)
  }
  return found
}

async function inDirectory(use) {
  const directory = mkdtempSync(`${flags.directory ?? os.tmpdir()}/cassio-bench-`)
  try {
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

async function timed(work) {
  const startedMs = performance.now()
  const result = await work()
  return [performance.now() - startedMs, result]
}

const perSecond = (count, ms) => `${Math.round((count / ms) * 1_000).toLocaleString('en')}/s`
const report = (what, figure) => console.log(`${what.padEnd(44)} ${figure}`)

async function main() {
  const cpu = os.cpus()[0]?.model ?? 'unknown processor'
  console.log(`${os.cpus().length} x ${cpu}, ${os.type()} ${os.release()}, Node ${process.version}`)
  console.log(`values of ${VALUE_BYTES} bytes, keys of 18, ${IN_FLIGHT} writes in flight`)

  for (const sync of ['group', 'periodic', 'none']) {
    await inDirectory(async (directory) => {
      const store = await open(directory, { sync })
      await writeAll(store, Math.min(SIZES.writes, 20_000), 10_000)
      const before = store.stats()
      const [ms] = await timed(() => writeAll(store, SIZES.writes, 100_000))
      const batches = store.stats().syncs - before.syncs
      report(`write, sync '${sync}'`, `${perSecond(SIZES.writes, ms)}, ${batches} syncs`)
      if (sync === 'none') {
        readAll(store, Math.min(SIZES.reads, 50_000), 100_000)
        const [readMs] = await timed(() => readAll(store, SIZES.reads, 100_000))
        report('read, 100,000 keys', perSecond(SIZES.reads, readMs))
      }
      await store.close()
    })
  }

  await inDirectory(async (directory) => {
    const store = await open(directory, { sync: 'none' })
    const [ms, { longestMs }] = await timed(() => writeAll(store, SIZES.grown, SIZES.grown))
    const { keys } = store.stats()
    report(`write ${keys.toLocaleString('en')} new keys`, perSecond(SIZES.grown, ms))
    report('longest write call meanwhile', `${longestMs.toFixed(2)} ms`)
    await store.close()
    const again = await open(directory)
    const { recovered } = again.stats()
    const megabytes = recovered.bytes / 1e6
    report(
      `recover ${recovered.cells.toLocaleString('en')} cells, ${Math.round(megabytes)} MB`,
      `${Math.round((megabytes / recovered.durationMs) * 1_000)} MB/s`,
    )
    await again.close()
  })
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
