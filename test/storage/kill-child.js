/**
 * A process that is to be killed: opens the store, tells what it finds, then writes until it dies.
 * It speaks in lines on standard output, each written before the loop turns, so that the pipe holds
 * all that it said:
 *
 *   state | copy        what was found in the store, or in the copy made before, in lines
 *   k KEY SEQUENCE      of its keys and the writes that gave their values, up to
 *   end {…}             how many files there are, what recovery found
 *   refused CODE        the copy does not open
 *   p PHASE, d PHASE    a call is about to be made, and has been done
 *   g SEQUENCE OP…      a write is about to be given: +KEY sets, -KEY removes
 *   a SEQUENCE          this write is acknowledged
 *   bad …               the store has broken a promise
 */
const { existsSync, readdirSync, writeSync } = require('node:fs')
const { KeyedRandom } = require('@cassiopeia/env')
const { openStore } = require('@cassiopeia/storage')

/** @type {import('./kill-plan').ChildPlan} */
const plan = JSON.parse(process.argv[2])

const IN_FLIGHT_MAX = 300
const A_TURN_MAX = 12
const BATCH_MAX = 24

const random = new KeyedRandom(plan.seed, 'writes')
const below = (end) => Math.floor(random.unit() * end)
const sleeper = new Int32Array(new SharedArrayBuffer(4))

/** Writes lines to the pipe, waiting while it is full. */
function say(text) {
  let rest = Buffer.from(`${text}\n`)
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
      Atomics.wait(sleeper, 0, 0, 1)
    }
  }
}

// Without the test nobody would kill it. The channel alone must not keep it from ending.
process.on('disconnect', () => process.exit(3))
process.channel.unref()
process.on('unhandledRejection', (error) => {
  say(`bad unhandled rejection: ${error?.stack}`.replaceAll('\n', ' '))
  process.exit(1)
})

/** Every value says whose it is, and its filler follows from that. */
function valueFor(key, sequence) {
  const head = `${key} ${sequence} `
  const filler = (sequence * 7919) % (sequence % 97 === 0 ? 20_000 : 300)
  return head + String.fromCharCode(97 + (sequence % 26)).repeat(filler)
}

function sequenceIn(key, value) {
  const text = value.toString()
  const sequence = Number(text.split(' ', 2)[1])
  if (text !== valueFor(key, sequence)) say(`bad ${key} holds ${JSON.stringify(text.slice(0, 60))}`)
  return sequence
}

/** What the store holds, by an iteration; every other way of reading must agree. */
async function dump(store, title) {
  const found = new Map()
  const lines = []
  for await (const { key, value } of store.entries()) {
    const name = key.toString()
    if (found.has(name)) say(`bad ${name} was iterated over twice`)
    const sequence = sequenceIn(name, value)
    found.set(name, sequence)
    lines.push(`k ${name} ${sequence}`)
  }
  await Promise.all(
    Array.from({ length: plan.keys }, async (_, i) => {
      const name = `key-${i}`
      const value = i % 2 === 0 ? await store.get(name) : store.getSync(name)
      const sequence = value && sequenceIn(name, value)
      const iterated = found.get(name)
      if (sequence !== iterated) say(`bad get of ${name}: ${sequence}, iterated: ${iterated}`)
      if (store.hasSync(name) !== (iterated !== undefined)) say(`bad has of ${name}`)
    }),
  )
  if (plan.verifies) {
    const { damages } = await store.verify()
    if (damages.length > 0) say(`bad damage: ${JSON.stringify(damages)}`)
  }
  const { recovered, tables, deleteTables, logSegments, damages } = store.stats()
  if (damages.length > 0) say(`bad damage met: ${JSON.stringify(damages)}`)
  const summary = { ...recovered, tables: tables + deleteTables, segments: logSegments }
  say([title, ...lines, `end ${JSON.stringify(summary)}`].join('\n'))
}

/** Right after opening, before its threads can have made anything. */
function checkFiles(store, directory) {
  const { tables, deleteTables, logSegments } = store.stats()
  const tableFiles = readdirSync(`${directory}/tables`)
  if (tableFiles.length !== tables + deleteTables) {
    say(`bad ${tables}+${deleteTables} tables, but files: ${tableFiles.join(' ')}`)
  }
  const logFiles = readdirSync(`${directory}/commit-log`)
  if (logFiles.length !== logSegments) say(`bad ${logSegments} segments: ${logFiles.join(' ')}`)
}

async function open(directory) {
  const store = await openStore({
    directory,
    sync: plan.sync,
    syncIntervalMs: 20,
    memoryBytesMax: 1024 * 1024,
    memtableBytes: plan.memtableBytes,
    segmentBytes: plan.segmentBytes,
    tableBytes: plan.tableBytes,
    blockBytes: plan.blockBytes,
    compression: plan.compression,
    diskReserveBytes: 0,
    onFatal: (error) => say(`bad fatal: ${error.message}`),
  })
  checkFiles(store, directory)
  return store
}

/** The copy that an earlier process made, or was making when it was killed. */
async function checkCopy(directory) {
  if (!existsSync(directory)) return say('refused ENOENT')
  try {
    const copy = await open(directory)
    await dump(copy, 'copy')
    await copy.close()
  } catch (error) {
    say(`refused ${error.code} ${error.message}`)
  }
}

class Load {
  stopped = false
  sequence = plan.firstSequence
  inFlight = 0
  /** Of each key the newest write that is acknowledged, for reading beside writing. */
  latest = new Map()

  constructor(store) {
    this.store = store
  }

  async run() {
    while (!this.stopped) {
      const count = Math.min(1 + below(A_TURN_MAX), IN_FLIGHT_MAX - this.inFlight)
      for (let i = 0; i < count; i += 1) this.giveOne()
      if (below(4) === 0) this.readOne()
      await new Promise(setImmediate)
      if (below(50) === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }

  giveOne() {
    const sequence = this.sequence
    this.sequence += 1
    const operations = this.choose(sequence)
    const names = operations.map(({ type, key }) => (type === 'set' ? '+' : '-') + key)
    say(`g ${sequence} ${names.join(' ')}`)
    this.inFlight += 1
    this.give(operations).then(
      () => this.settled(sequence, operations),
      (error) => {
        if (error.code !== 'CASSIO_CLOSED') say(`bad write ${sequence} failed: ${error.message}`)
      },
    )
  }

  choose(sequence) {
    const one = (key) => {
      if (below(4) === 0) return { type: 'del', key }
      return { type: 'set', key, value: valueFor(key, sequence) }
    }
    if (below(6) > 0) return [one(this.key())]
    const keys = new Set(Array.from({ length: 2 + below(BATCH_MAX) }, () => this.key()))
    return [...keys].map(one)
  }

  /** A few keys are written again and again, most rarely. */
  key() {
    return `key-${below(3) === 0 ? below(20) : below(plan.keys)}`
  }

  give(operations) {
    const [only] = operations
    if (operations.length > 1) return this.store.batch(operations)
    return only.type === 'set' ? this.store.set(only.key, only.value) : this.store.del(only.key)
  }

  settled(sequence, operations) {
    this.inFlight -= 1
    say(`a ${sequence}`)
    for (const { type, key } of operations) this.latest.set(key, { type, sequence })
  }

  readOne() {
    const key = this.key()
    const expected = this.latest.get(key)
    this.store.get(key).then(
      (value) => {
        if (expected === undefined) return
        // Meanwhile it may have been removed, or given a later value.
        const now = this.latest.get(key)
        const sequence = value && sequenceIn(key, value)
        const tooOld = sequence === undefined ? now === expected : sequence < expected.sequence
        const isWrong = expected.type === 'del' ? sequence < expected.sequence : tooOld
        if (isWrong) say(`bad read of ${key}: ${sequence} after ${JSON.stringify(expected)}`)
      },
      (error) => {
        if (error.code !== 'CASSIO_CLOSED') say(`bad read of ${key} failed: ${error.message}`)
      },
    )
  }
}

async function main() {
  say('p open')
  const store = await open(plan.directory)
  await dump(store, 'state')
  if (plan.copyToCheck !== undefined) await checkCopy(plan.copyToCheck)
  if (plan.phase === 'end') {
    await store.compact()
    await dump(store, 'state')
    await store.close()
    return
  }
  const load = new Load(store)
  const running = load.run()
  say('p load')
  if (plan.phase === 'load') return
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, plan.loadMs))
    say(`p ${plan.phase}`)
    if (plan.phase === 'close') {
      load.stopped = true
      await store.close()
      await running
      say('d close')
      return
    }
    if (plan.phase === 'snapshot') {
      await store.snapshot(plan.copyToMake)
      say('d snapshot')
      return
    }
    await store[plan.phase]()
    say(`d ${plan.phase}`)
  }
}

main().catch((error) => {
  say(`bad ${error.stack}`.replaceAll('\n', ' '))
  process.exit(1)
})
