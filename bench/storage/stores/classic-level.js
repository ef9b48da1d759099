const { join } = require('node:path')
const { ClassicLevel } = require('classic-level')

const SCAN_ENTRIES = 1_000

/**
 * LevelDB (C++) through `classic-level`. Not synced is its default: a put is done on a thread of
 * libuv's pool and acknowledged once `write()` has handed it to the log file.
 */
class ClassicLevelStore {
  static async open(directory) {
    const db = new ClassicLevel(join(directory, 'store'), {
      keyEncoding: 'utf8',
      valueEncoding: 'buffer',
      compression: false,
    })
    await db.open()
    return new ClassicLevelStore(db)
  }

  static describe() {
    return {
      version: require('classic-level/package.json').version,
      settings:
        'sync: false (durable: true), compression: false, otherwise defaults: ' +
        'block cache of 8 MiB, write buffer of 4 MiB',
    }
  }

  constructor(db) {
    this.db = db
  }

  put(key, value) {
    return this.db.put(key, value)
  }

  putDurably(key, value) {
    return this.db.put(key, value, { sync: true })
  }

  get(key) {
    return this.db.get(key)
  }

  getSync(key) {
    return this.db.getSync(key)
  }

  del(key) {
    return this.db.del(key)
  }

  batch(keys, values) {
    return this.db.batch(keys.map((key, i) => ({ type: 'put', key, value: values[i] })))
  }

  async scan(limit = Number.POSITIVE_INFINITY) {
    let count = 0
    let bytes = 0
    for await (const [, value] of this.db.iterator()) {
      count += 1
      bytes += value.length
      if (count === limit) break
    }
    return { count, bytes }
  }

  /** In calls that give many entries at once, with the buffer that its README advises for them. */
  async scanByMany(entryBytes) {
    let count = 0
    let bytes = 0
    const iterator = this.db.iterator({ highWaterMarkBytes: SCAN_ENTRIES * entryBytes })
    for (;;) {
      const entries = await iterator.nextv(SCAN_ENTRIES)
      if (entries.length === 0) break
      count += entries.length
      for (const [, value] of entries) bytes += value.length
    }
    await iterator.close()
    return { count, bytes }
  }

  /** LevelDB has no flush of its own; what its write buffer holds stays there. */
  async flush() {}

  compact() {
    return this.db.compactRange('', '\x7f')
  }

  close() {
    return this.db.close()
  }
}

module.exports = { Store: ClassicLevelStore }
