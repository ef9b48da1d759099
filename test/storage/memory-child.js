/**
 * Loads a store with much more than its memory budget, reads and removes meanwhile, and watches the
 * memory of the process. Then looks whether everything is there. Prints one line of JSON.
 */
const { KeyedRandom } = require('@cassiopeia/env')
const { openStore } = require('@cassiopeia/storage')

const MIB = 1024 * 1024
/** @type {import('./memory-plan').MemoryPlan} */
const plan = JSON.parse(process.argv[2])

process.on('disconnect', () => process.exit(3))
process.channel.unref()

const SAMPLE_EVERY_MS = 10
const A_TURN = 64
const IN_FLIGHT_BYTES_MAX = MIB / 2
const VALUE_BYTES_MIN = 100
const VALUE_BYTES_MAX = 1_000
const CHECKS = 20_000

const random = new KeyedRandom(plan.seed, 'load')
const below = (end) => Math.floor(random.unit() * end)

/** Of each key the latest write: its number, or 0 when there is no value. */
const versions = new Uint32Array(plan.keys)
const filler = Buffer.alloc(VALUE_BYTES_MAX, 'x')
const nameOf = (key) => `key-${key}`

/** Made anew for each write, as a program would: 8 bytes that tell it apart, and filler. */
function valueFor(key, version) {
  const span = VALUE_BYTES_MAX - VALUE_BYTES_MIN
  const value = Buffer.from(
    filler.subarray(0, VALUE_BYTES_MIN + ((key * 31 + version * 17) % span)),
  )
  value.writeUInt32LE(key, 0)
  value.writeUInt32LE(version, 4)
  return value
}

class Sampler {
  samples = 0
  overBudget = 0
  storeMax = { memoryBytes: 0 }
  half
  max = { rss: 0 }
  trail = []

  constructor(store) {
    this.store = store
    this.startedMs = performance.now()
    this.base = process.memoryUsage()
    this.timer = setInterval(() => this.look(), SAMPLE_EVERY_MS)
    this.dueMs = 0
  }

  look() {
    const now = performance.now()
    if (now < this.dueMs) return
    this.dueMs = now + SAMPLE_EVERY_MS
    this.samples += 1
    const { memoryBytes, memory } = this.store.stats()
    if (memoryBytes > this.storeMax.memoryBytes) this.storeMax = { memoryBytes, ...memory }
    if (memoryBytes > plan.memoryBytesMax) this.overBudget += 1
    if (process.memoryUsage.rss() > this.max.rss) {
      this.max = { ...process.memoryUsage(), ...memory, atMs: Math.round(now - this.startedMs) }
    }
    if (this.samples % 100 === 1) {
      const { rss, heapTotal, external, arrayBuffers } = process.memoryUsage()
      const inMib = [rss, heapTotal, external, arrayBuffers, memoryBytes].map((bytes) =>
        Math.round(bytes / MIB),
      )
      this.trail.push(inMib.join('/'))
    }
  }

  stop() {
    clearInterval(this.timer)
    this.look()
  }
}

class Load {
  given = 0
  inFlight = 0
  misses = 0
  wrong = 0
  scanned = 0
  version = 0

  constructor(store, sampler) {
    this.store = store
    this.sampler = sampler
  }

  async run() {
    for (let turn = 1; this.given < plan.loadBytes; turn += 1) {
      for (let i = 0; i < A_TURN && this.inFlight < IN_FLIGHT_BYTES_MAX; i += 1) this.writeOne()
      for (let i = 0; i < 4; i += 1) this.readOne(i)
      if (turn % 500 === 0) await this.scan()
      if (this.given > plan.loadBytes / 2) this.sampler.half ??= process.memoryUsage()
      this.sampler.look()
      await new Promise(setImmediate)
    }
    while (this.inFlight > 0) await new Promise(setImmediate)
  }

  writeOne() {
    this.version += 1
    const { version } = this
    // The first writes are new keys, later ones are anybody's.
    const key = version <= plan.keys ? version - 1 : below(plan.keys)
    const removes = version > plan.keys && version % 10 === 0
    const value = removes ? undefined : valueFor(key, version)
    const bytes = value?.length ?? 50
    versions[key] = removes ? 0 : version
    this.given += bytes
    this.inFlight += bytes
    const written = removes ? this.store.del(nameOf(key)) : this.store.set(nameOf(key), value)
    void written.then(() => {
      this.inFlight -= bytes
    })
  }

  readOne(i) {
    const key = below(Math.min(this.version, plan.keys))
    if (i === 0) {
      if (this.store.getSync(`missing-${key}`) !== undefined) this.wrong += 1
    } else if (i === 1) this.check(key, this.store.getSync(nameOf(key)))
    else void this.store.get(nameOf(key)).then((value) => this.check(key, value))
  }

  /** Writes may be under way: whatever there is must be this key's. */
  check(key, value) {
    if (value === undefined) this.misses += 1
    else if (value.readUInt32LE(0) !== key) this.wrong += 1
  }

  async scan() {
    const from = nameOf(below(plan.keys))
    for await (const { value } of this.store.entries({ gte: from, limit: 2_000 })) {
      this.scanned += 1
      if (value.length < VALUE_BYTES_MIN) this.wrong += 1
    }
  }
}

/** @returns what is not as it was written. */
async function checkAll(store) {
  let found = 0
  let wrong = 0
  for await (const { key, value } of store.entries()) {
    found += 1
    const number = Number(key.toString().slice(4))
    if (value.readUInt32LE(4) !== versions[number]) wrong += 1
  }
  for (let i = 0; i < CHECKS; i += 1) {
    const key = below(plan.keys)
    const value = i % 2 === 0 ? await store.get(nameOf(key)) : store.getSync(nameOf(key))
    const expected = versions[key] === 0 ? undefined : valueFor(key, versions[key])
    if (expected === undefined ? value !== undefined : !value?.equals(expected)) wrong += 1
  }
  return { found, expected: versions.reduce((count, each) => count + (each > 0 ? 1 : 0), 0), wrong }
}

async function main() {
  const { memoryBytesMax, directory } = plan
  const store = await openStore({ directory, memoryBytesMax, sync: 'none', diskReserveBytes: 0 })
  const sampler = new Sampler(store)
  const load = new Load(store, sampler)
  await load.run()
  const loadMs = performance.now() - sampler.startedMs
  const { found, expected, wrong } = await checkAll(store)
  sampler.stop()
  const { flushes, compactions, throttledMs, tableBytes, bytesTaken, bytesCompacted } =
    store.stats()
  await store.close()
  const { samples, overBudget, storeMax, base, half, max, trail } = sampler
  const report = {
    ...{ samples, overBudget, storeMax, base, half, max, trail },
    ...{ found, expected, wrong: wrong + load.wrong, given: load.given, scanned: load.scanned },
    ...{ loadMs, checkMs: performance.now() - sampler.startedMs - loadMs },
    store: { flushes, compactions, throttledMs, tableBytes, bytesTaken, bytesCompacted },
  }
  process.stdout.write(`${JSON.stringify(report)}\n`)
}

void main()
