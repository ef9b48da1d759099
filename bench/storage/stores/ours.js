const { join, resolve } = require('node:path')

/**
 * Our storage engine through its public API. Not synced means sync 'none': a write is acknowledged
 * once `write()` has handed it to the log file.
 */
class Ours {
  static load({ dist }) {
    return require(resolve(dist))
  }

  static async open(directory, { durable = false, dist, ...options }) {
    const { openStore } = Ours.load({ dist })
    const store = await openStore({
      directory: join(directory, 'store'),
      sync: durable ? 'group' : 'none',
      compression: 'none',
      ...options,
    })
    return new Ours(store)
  }

  static describe({ dist }) {
    const { version } = require(resolve(dist, '../package.json'))
    return {
      version,
      settings: "sync 'none' (durable: 'group'), compression 'none', otherwise defaults",
    }
  }

  constructor(store) {
    this.store = store
  }

  put(key, value) {
    return this.store.set(key, value)
  }

  putDurably(key, value) {
    return this.store.set(key, value)
  }

  get(key) {
    return this.store.get(key)
  }

  getSync(key) {
    return this.store.getSync(key)
  }

  del(key) {
    return this.store.del(key)
  }

  batch(keys, values) {
    return this.store.batch(keys.map((key, i) => ({ type: 'set', key, value: values[i] })))
  }

  async scan(limit = Number.POSITIVE_INFINITY) {
    let count = 0
    let bytes = 0
    for await (const { value } of this.store.entries()) {
      count += 1
      bytes += value.length
      if (count === limit) break
    }
    return { count, bytes }
  }

  /** What was written leaves memory. */
  flush() {
    return this.store.flush()
  }

  compact() {
    return this.store.compact()
  }

  stats() {
    return this.store.stats()
  }

  close() {
    return this.store.close()
  }
}

module.exports = { Store: Ours }
