const { CHOICES, Values, texts } = require('../keys')
const { rateSync } = require('../measure')
const { checkLoaded, entryBytes, loadByBatches } = require('./load')

/** Fits LevelDB's write buffer of 4 MiB with what it adds to an entry, and our memtable. */
const DATA_BYTES_MAX = 3_000_000

/** Gets of keys just written, which no store has yet had to move out of memory. */
async function run({ sizes, open, report, seed }) {
  const { valueBytes, gets, phaseMsMax } = sizes
  const count = Math.min(sizes.keys, Math.floor(DATA_BYTES_MAX / (entryBytes(valueBytes) + 40)))
  const keys = texts(count)
  const values = new Values(valueBytes)
  const picks = CHOICES.uniform(gets, count, seed)
  const store = await open()
  await loadByBatches(store, count, values)
  checkLoaded(store, count, values)
  let bytes = 0
  const get = (i) => {
    bytes += store.getSync(keys[picks[i]]).length
  }
  await rateSync(Math.ceil(gets / 10), phaseMsMax, get)
  report('get.memory', await rateSync(gets, phaseMsMax, get))
  if (bytes === 0) throw new Error('nothing was read')
  await store.close()
}

module.exports = { name: 'get-memory', groups: ['get-memory'], run }
