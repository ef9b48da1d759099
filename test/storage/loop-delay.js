#!/usr/bin/env node
/**
 * How long the store holds the event loop under full write load, over the build (`npm run build`
 * first):
 *
 *   node test/storage/loop-delay.js [--seconds 10] [--keys 1000000] [--value 100] [--memory MIB]
 *
 * Prints percentiles of the time between two turns, counted for each turn, with and (on Linux)
 * without what the thread waited for a processor, and of the delay of a timer as
 * `monitorEventLoopDelay` sees it; then the longest turns, and what happened in them.
 */
const { existsSync, mkdtempSync, openSync, readSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { monitorEventLoopDelay, PerformanceObserver, constants } = require('node:perf_hooks')
const { parseArgs } = require('node:util')
const { openStore } = require('@cassiopeia/storage')

const MIB = 1024 * 1024
/** Writes that are given in a turn, and that may wait: the load's own share of a turn is small. */
const A_TURN = 200
const IN_FLIGHT_MAX = 4_000
const LONGEST_SHOWN = 12
const BUCKET_MS = 0.01

const { values: flags } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    keys: { type: 'string', default: '1000000' },
    value: { type: 'string', default: '100' },
    memory: { type: 'string', default: '256' },
  },
})
const [seconds, keys, valueBytes] = [flags.seconds, flags.keys, flags.value].map(Number)

/** Durations in buckets of a hundredth of a millisecond. */
class Histogram {
  count = 0
  max = 0
  buckets = new Uint32Array(1_000_000)

  add(ms) {
    this.count += 1
    this.max = Math.max(this.max, ms)
    this.buckets[Math.min(this.buckets.length - 1, Math.floor(ms / BUCKET_MS))] += 1
  }

  at(share) {
    let left = this.count * share
    for (let i = 0; i < this.buckets.length; i += 1) {
      left -= this.buckets[i]
      if (left <= 0) return (i + 1) * BUCKET_MS
    }
    return this.max
  }
}

/** Milliseconds for which this thread was ready and had no processor; 0 where nobody tells. */
function waitedMs() {
  if (scheduling === undefined) return 0
  const length = readSync(scheduling, scratch, 0, scratch.length, 0)
  return Number(scratch.toString('latin1', 0, length).split(' ')[1]) / 1e6
}
const scratch = Buffer.alloc(128)
const schedulingFile = `/proc/self/task/${process.pid}/schedstat`
const scheduling = existsSync(schedulingFile) ? openSync(schedulingFile, 'r') : undefined

const shown = (ms) => ms.toFixed(2).padStart(9)

async function main() {
  const directory = mkdtempSync(join(tmpdir(), 'cassio-loop-delay-'))
  const store = await openStore({
    directory: join(directory, 'store'),
    memoryBytesMax: Number(flags.memory) * MIB,
    sync: 'none',
  })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const turns = new Histogram()
  const own = new Histogram()
  const busy = new Histogram()
  const longest = []
  const collections = []
  const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()))
  observer.observe({ entryTypes: ['gc'] })
  const value = Buffer.alloc(valueBytes, 'v')
  let inFlight = 0
  let given = 0
  const settled = () => {
    inFlight -= 1
  }
  delay.enable()
  const startMs = performance.now()
  let beforeMs = startMs
  let before = store.stats()
  let beforeWaitedMs = waitedMs()
  while (beforeMs - startMs < seconds * 1_000) {
    const giveMs = performance.now()
    for (let i = 0; i < A_TURN && inFlight < IN_FLIGHT_MAX; i += 1) {
      inFlight += 1
      // Spread over the keys: neither in order nor by chance.
      const key = (given * 7_919) % keys
      given += 1
      store.set(`key-${key}`, value).then(settled)
    }
    own.add(performance.now() - giveMs)
    await new Promise(setImmediate)
    const nowMs = performance.now()
    const ms = nowMs - beforeMs
    turns.add(ms)
    const waited = waitedMs()
    const busyMs = Math.max(0, ms - (waited - beforeWaitedMs))
    beforeWaitedMs = waited
    busy.add(busyMs)
    if (longest.length < LONGEST_SHOWN || busyMs > longest.at(-1).busyMs) {
      const now = store.stats()
      longest.push({ ms, busyMs, fromMs: beforeMs, toMs: nowMs, what: changes(before, now) })
      longest.sort((a, b) => b.busyMs - a.busyMs)
      longest.length = Math.min(longest.length, LONGEST_SHOWN)
      before = now
    }
    beforeMs = performance.now()
  }
  delay.disable()
  const stats = store.stats()
  await store.close()
  await new Promise(setImmediate)
  observer.disconnect()
  rmSync(directory, { recursive: true, force: true })

  const line = (name, at) => {
    const cells = [0.5, 0.99, 0.999].map((share) => shown(at(share)))
    console.log(`${name.padEnd(28)}${cells.join('')}${shown(at(1))}`)
  }
  console.log(`${'ms'.padEnd(28)}      p50      p99    p99.9      max`)
  line('between two turns', (share) => (share === 1 ? turns.max : turns.at(share)))
  line('  without waiting for it', (share) => (share === 1 ? busy.max : busy.at(share)))
  line('giving, in a turn', (share) => (share === 1 ? own.max : own.at(share)))
  line(
    'delay of a timer',
    (share) => (share === 1 ? delay.max : delay.percentile(share * 100)) / 1e6,
  )
  const rate = Math.round(given / seconds)
  const { flushes, compactions, throttledMs, runs } = stats
  console.log(`${rate} writes/s of ${keys} keys, ${turns.count} turns, ${flushes} flushes,`)
  console.log(`${compactions} compactions, ${runs} runs, ${Math.round(throttledMs)} ms throttled`)
  const gc = collections.filter(({ duration }) => duration > 1)
  const total = collections.reduce((sum, { duration }) => sum + duration, 0)
  console.log(`${collections.length} collections, ${Math.round(total)} ms, ${gc.length} above 1 ms`)
  console.log('the longest turns, without waiting and with it:')
  for (const { ms, busyMs, fromMs, toMs, what } of longest) {
    const during = collections
      .filter(({ startTime, duration }) => startTime < toMs && startTime + duration > fromMs)
      .map(({ duration, detail }) => `${kindOf(detail.kind)} ${duration.toFixed(1)} ms`)
    console.log(
      `${shown(busyMs)}${shown(ms)}  at ${Math.round(fromMs - startMs)} ms  ${[...during, ...what].join(', ')}`,
    )
  }
}

function kindOf(kind) {
  const names = { MINOR: 'scavenge', MAJOR: 'mark-compact', INCREMENTAL: 'incremental marking' }
  const found = Object.entries(names).find(
    ([name]) => constants[`NODE_PERFORMANCE_GC_${name}`] === kind,
  )
  return found?.[1] ?? 'weak callbacks'
}

function changes(before, now) {
  const names = ['flushes', 'compactions', 'tables', 'logSegments']
  return names.filter((name) => before[name] !== now[name]).map((name) => `${name} ${now[name]}`)
}

void main()
