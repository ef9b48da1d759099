const { KEY_BYTES, shuffled, storedKey } = require('../keys')

const BATCH_ENTRIES = 1_000
const CHECKED_KEYS = 100

/** Puts the keys 0 to `count` in random order, in batches that each wait for the one before. */
async function loadByBatches(store, count, values, textOf = storedKey) {
  const order = shuffled(count, 11)
  for (let from = 0; from < count; from += BATCH_ENTRIES) {
    const indexes = order.subarray(from, Math.min(from + BATCH_ENTRIES, count))
    const keys = Array.from(indexes, textOf)
    await store.batch(
      keys,
      Array.from(indexes, (index) => values.at(index)),
    )
  }
}

/** A store that gives wrong answers quickly must not win. */
function checkLoaded(store, count, values) {
  const step = Math.max(1, Math.floor(count / CHECKED_KEYS))
  for (let index = 0; index < count; index += step) {
    const value = store.getSync(storedKey(index))
    if (value === undefined) throw new Error(`${storedKey(index)} was put and is not there`)
    if (!values.at(index).equals(value)) throw new Error(`${storedKey(index)} has a wrong value`)
  }
}

const entryBytes = (valueBytes) => KEY_BYTES + valueBytes

module.exports = { BATCH_ENTRIES, checkLoaded, entryBytes, loadByBatches }
