const { performance } = require('node:perf_hooks')
const { Values, storedKey } = require('../keys')
const { directoryBytes, residentBytes } = require('../measure')
const { entryBytes, loadByBatches } = require('./load')

const MIB = 1024 * 1024
const keysOf = ({ openBytes, valueBytes }) => Math.ceil(openBytes / entryBytes(valueBytes))

async function prepare({ sizes, open }) {
  const store = await open()
  await loadByBatches(store, keysOf(sizes), new Values(sizes.valueBytes))
  await store.close()
}

/** A new process opens a store as it was closed, log and all, and gets one key. */
async function run({ sizes, open, report, storeName, directory }) {
  const key = storedKey(keysOf(sizes) >> 1)
  const baseBytes = await residentBytes()
  const startedMs = performance.now()
  const store = await open()
  const value = store.getSync(key)
  report('open', performance.now() - startedMs)
  if (value?.length !== sizes.valueBytes) throw new Error(`${key} is not there`)
  report('open.rss', ((await residentBytes()) - baseBytes) / MIB)
  report('open.disk', directoryBytes(directory) / 1e6)
  if (storeName === 'ours') report('open.replayed', store.stats().recovered.bytes / 1e6)
  await store.close()
}

module.exports = { name: 'open', groups: ['open'], prepare, run }
