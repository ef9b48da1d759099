const { readFileSync } = require('node:fs')
const { join, resolve } = require('node:path')
const { open } = require('lmdb')

/**
 * LMDB (C): a memory-mapped B+ tree that is read where it lies. Not synced means `noSync`: a put is
 * acknowledged once its transaction, which a thread commits for all puts of a turn, is visible.
 */
class LmdbStore {
  static async open(directory, { durable = false }) {
    const path = join(directory, 'store')
    return new LmdbStore(open({ path, encoding: 'binary', noSync: !durable }))
  }

  static describe() {
    // The package does not export its package.json.
    const path = resolve(require.resolve('lmdb'), '../../package.json')
    return {
      version: JSON.parse(readFileSync(path, 'utf8')).version,
      settings:
        'noSync: true (durable: its default, waiting for `flushed`), its default batching ' +
        'of the puts of a turn, no cache of its own, no compression',
    }
  }

  constructor(db) {
    this.db = db
  }

  put(key, value) {
    return this.db.put(key, value)
  }

  putDurably(key, value) {
    // Asked for in the turn of the put, `flushed` is the promise of this put's transaction.
    return Promise.all([this.db.put(key, value), this.db.flushed])
  }

  getSync(key) {
    return this.db.get(key)
  }

  del(key) {
    return this.db.remove(key)
  }

  batch(keys, values) {
    return this.db.batch(() => {
      for (let i = 0; i < keys.length; i += 1) this.db.put(keys[i], values[i])
    })
  }

  async scan(limit = Number.POSITIVE_INFINITY) {
    let count = 0
    let bytes = 0
    for (const { value } of this.db.getRange()) {
      count += 1
      bytes += value.length
      if (count === limit) break
    }
    return { count, bytes }
  }

  /** A B+ tree has nothing to flush or to compact. */
  async flush() {}
  async compact() {}

  close() {
    return this.db.close()
  }
}

module.exports = { Store: LmdbStore }
