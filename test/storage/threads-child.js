/**
 * A process that uses a store and ends by itself: no handle may keep it. Says on its last line what
 * its threads and its processor time were.
 */
const { readFileSync } = require('node:fs')
const threads = require('node:worker_threads')

/** Counts the threads that anybody starts in this process, and those that have ended. */
let started = 0
let ended = 0
threads.Worker = class extends threads.Worker {
  constructor(...args) {
    super(...args)
    started += 1
    this.on('exit', () => {
      ended += 1
    })
  }
}
const { openStore } = require('@cassiopeia/storage')

const MIB = 1024 * 1024
const TICKS_A_SECOND = 100
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const { directory, mode } = JSON.parse(process.argv[2])
process.on('disconnect', () => process.exit(3))
process.channel.unref()

/** Seconds of processor time of the first thread, where the system tells. */
function mainSeconds() {
  if (process.platform !== 'linux') return undefined
  const stat = readFileSync(`/proc/self/task/${process.pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND
}

function allSeconds() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

async function load(store, count) {
  for (let i = 0; i < count; i += 500) {
    await Promise.all(
      Array.from({ length: 500 }, (_, k) =>
        store.set(`key-${(i + k) % 40_000}`, `${'x'.repeat(600)}${i}`),
      ),
    )
  }
}

/** What happens between opening and closing. */
const MODES = {
  unused: async () => {},
  used: async (store) => {
    await load(store, 2_000)
    await store.compact()
    const iterator = store.entries()
    await iterator.next()
    await store.verify()
  },
  'flush under way': async (store) => {
    await load(store, 10_000)
    store.flush().catch(() => {})
    await pause(1)
  },
  'compaction under way': async (store) => {
    await load(store, 20_000)
    await store.flush()
    store.compact().catch(() => {})
    await pause(60)
  },
  'verification and snapshot under way': async (store) => {
    await load(store, 20_000)
    store.verify().catch(() => {})
    store.snapshot(`${directory}-copy`).catch(() => {})
  },
  'writes under way': async (store) => {
    void load(store, 5_000).catch(() => {})
    await pause(5)
  },
  /** Merges while the main thread has nothing to do. */
  share: async (store) => {
    await load(store, 80_000)
    await store.flush()
    const [main, all] = [mainSeconds(), allSeconds()]
    for (let i = 0; i < 5; i += 1) await store.compact()
    return { mainSeconds: mainSeconds() - main, allSeconds: allSeconds() - all }
  },
  /** Does nothing for a while, once the background has come to rest. */
  idle: async (store) => {
    await load(store, 20_000)
    await untilAtRest(store)
    const all = allSeconds()
    await pause(2_000)
    return { allSeconds: allSeconds() - all }
  },
}

async function untilAtRest(store) {
  for (let before; ; ) {
    const { flushes, compactions, bytesCompacted } = store.stats()
    const now = [flushes, compactions, bytesCompacted].join()
    if (now === before) return
    before = now
    await pause(500)
  }
}

async function main() {
  const store = await openStore({ directory, memoryBytesMax: 8 * MIB, sync: 'none' })
  const more = await MODES[mode](store)
  const { flushes, compactions } = store.stats()
  await store.close()
  return { started, flushes, compactions, ...more }
}

void main().then((report) => {
  process.on('exit', () => {
    process.stdout.write(`${JSON.stringify({ ...report, ended })}\n`)
  })
})
