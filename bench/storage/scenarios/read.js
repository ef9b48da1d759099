const { performance } = require('node:perf_hooks')
const { CHOICES, Values, absentKey, texts } = require('../keys')
const { rateAsync, rateSync, residentBytes } = require('../measure')
const { checkLoaded, entryBytes, loadByBatches } = require('./load')

const MIB = 1024 * 1024
const READS_IN_FLIGHT = 64
const WARM_SHARE = 10
/** Every fifth key is deleted. */
const DELETED_STEP = 5
/** The block cache that classic-level has by default; its filters and indexes come on top, as ours. */
const PEER_CACHE_BYTES = 8 * MIB
/** Nothing is written meanwhile: the less is set aside for memtables, the closer is the budget. */
const NO_MEMTABLE_BYTES = 64 * 1024

/** Reads of data that was flushed and compacted; the page cache is warm, as the data is just written. */
async function run(context) {
  const { sizes, open, report, wants, storeName, seed } = context
  const { keys: count, valueBytes } = sizes
  const reader = new Reader(sizes, seed)
  const values = new Values(valueBytes)
  const baseBytes = await residentBytes()
  let store = await open()
  await loadByBatches(store, count, values)
  await store.flush()
  await store.compact()
  checkLoaded(store, count, values)
  if (wants('memory')) {
    report('memory.rss', ((await residentBytes()) - baseBytes) / MIB)
    if (storeName === 'ours') {
      const { filters, indexes } = store.stats().memory
      report('memory.key', (filters + indexes) / count)
    }
  }
  if (wants('get')) {
    for (const choice of Object.keys(CHOICES)) {
      report(`get.${choice}`, await reader.present(store, choice))
      if (store.get !== undefined) {
        report(`get.async.${choice}`, await reader.presentAsync(store, choice))
      }
    }
    if (storeName === 'ours') report('get.blocks', store.stats().memory.blocks / MIB)
  }
  if (wants('missing') || wants('deleted')) {
    report('missing', await reader.absent(store))
    if (store.get !== undefined) report('missing.async', await reader.absentAsync(store))
  }
  if (wants('scan')) await scans(store, count, valueBytes, report)
  if (wants('get') && storeName === 'ours') {
    const { filters, indexes } = store.stats().memory
    await store.close()
    store = await open({
      memtableBytes: NO_MEMTABLE_BYTES,
      memoryBytesMax: budgetFor(filters + indexes + PEER_CACHE_BYTES),
    })
    for (const choice of Object.keys(CHOICES)) {
      report(`get.${choice}.cache`, await reader.present(store, choice))
    }
    report('get.cache', store.stats().memory.blocks / MIB)
    await store.close()
    store = await open()
  }
  if (wants('deleted')) {
    const deleted = await deleteSome(store, reader.keys, sizes.inFlight)
    await store.flush()
    report('deleted', await reader.gone(store, deleted))
    await store.compact()
    report('deleted.compacted', await reader.gone(store, deleted))
  }
  await store.close()
}

/**
 * The memoryBytesMax of which so much is left for blocks, filters and indexes: what a memtable and
 * pending writes hold at least, and a sixteenth for the workers, come first. `get.cache` shows what blocks then held.
 */
function budgetFor(bytes) {
  return Math.ceil(((bytes + 1024 * 1024 + 176 * 1024) * 16) / 15)
}

class Reader {
  constructor({ keys, gets, phaseMsMax }, seed) {
    this.keys = texts(keys)
    this.missing = texts(keys, absentKey)
    this.gets = gets
    this.msMax = phaseMsMax
    this.picks = {}
    for (const [name, choose] of Object.entries(CHOICES)) {
      this.picks[name] = choose(gets, keys, seed)
    }
  }

  present(store, choice) {
    const { keys, picks } = this
    return this.rate(store, (i) => keys[picks[choice][i]], true)
  }

  absent(store) {
    const { missing, picks } = this
    return this.rate(store, (i) => missing[picks.uniform[i]], false)
  }

  gone(store, deleted) {
    const { picks } = this
    return this.rate(store, (i) => deleted[picks.uniform[i] % deleted.length], false)
  }

  async rate(store, keyOf, expected) {
    let wrong = 0
    const get = (i) => {
      if ((store.getSync(keyOf(i)) !== undefined) !== expected) wrong += 1
    }
    await rateSync(Math.ceil(this.gets / WARM_SHARE), this.msMax, get)
    const rate = await rateSync(this.gets, this.msMax, get)
    if (wrong > 0) throw new Error(`${wrong} gets found ${expected ? 'nothing' : 'a value'}`)
    return rate
  }

  presentAsync(store, choice) {
    const { keys, picks } = this
    return this.ratePromises(store, (i) => keys[picks[choice][i]], true)
  }

  absentAsync(store) {
    const { missing, picks } = this
    return this.ratePromises(store, (i) => missing[picks.uniform[i]], false)
  }

  async ratePromises(store, keyOf, expected) {
    const { gets, msMax } = this
    let wrong = 0
    const get = async (i) => {
      if (((await store.get(keyOf(i))) !== undefined) !== expected) wrong += 1
    }
    await rateAsync(READS_IN_FLIGHT, Math.ceil(gets / WARM_SHARE), msMax, get)
    const rate = await rateAsync(READS_IN_FLIGHT, gets, msMax, get)
    if (wrong > 0) throw new Error(`${wrong} gets found ${expected ? 'nothing' : 'a value'}`)
    return rate
  }
}

async function scans(store, count, valueBytes, report) {
  const rate = async (scan) => {
    const startedMs = performance.now()
    const seen = await scan()
    const elapsedMs = performance.now() - startedMs
    if (seen.count !== count || seen.bytes !== count * valueBytes) {
      throw new Error(`a scan saw ${seen.count} of ${count} entries, ${seen.bytes} bytes`)
    }
    return (count / elapsedMs) * 1_000
  }
  await store.scan(Math.ceil(count / WARM_SHARE))
  const plain = await rate(() => store.scan())
  if (store.scanByMany === undefined) {
    report('scan', plain)
    return
  }
  const many = await rate(() => store.scanByMany(entryBytes(valueBytes)))
  report('scan.iterator', plain)
  report('scan.nextv', many)
  report('scan', Math.max(plain, many))
}

async function deleteSome(store, keys, inFlight) {
  const deleted = keys.filter((_key, i) => i % DELETED_STEP === 0)
  await rateAsync(inFlight, deleted.length, Number.POSITIVE_INFINITY, (i) => store.del(deleted[i]))
  return deleted
}

module.exports = {
  name: 'read',
  groups: ['get', 'missing', 'deleted', 'scan', 'memory'],
  run,
}
