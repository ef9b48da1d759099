const { Values } = require('../keys')
const { entryBytes, loadByBatches } = require('./load')

const MIB = 1024 * 1024
const MEMTABLE_BYTES_MAX = 1024 * MIB
/** A memtable may take an eighth of the memory, no more. */
const MEMTABLE_SHARE = 8

/** A memtable that takes it all: nothing is flushed, so that the log holds everything. */
function options({ recoveryBytes }) {
  const memtableBytes = Math.min(MEMTABLE_BYTES_MAX, Math.max(16 * MIB, 4 * recoveryBytes))
  return { memtableBytes, memoryBytesMax: MEMTABLE_SHARE * memtableBytes }
}

async function prepare({ sizes, open }) {
  const store = await open(options(sizes))
  const count = Math.ceil(sizes.recoveryBytes / entryBytes(sizes.valueBytes))
  await loadByBatches(store, count, new Values(sizes.valueBytes))
  const { flushes } = store.stats()
  if (flushes > 0) throw new Error(`${flushes} flushes: not all is in the log`)
  await store.close()
}

/** A clean stop leaves the log as it is: opening replays it all. */
async function run({ sizes, open, report }) {
  const store = await open(options(sizes))
  const { bytes, durationMs } = store.stats().recovered
  if (bytes < sizes.recoveryBytes) throw new Error(`no more than ${bytes} bytes were recovered`)
  report('recovery', bytes / 1e6 / (durationMs / 1_000))
  report('recovery.bytes', bytes / 1e6)
  await store.close()
}

module.exports = { name: 'recovery', groups: ['recovery'], stores: ['ours'], prepare, run }
