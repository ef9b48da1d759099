/** Loops that are timed, and what the system says about this process. */
const { readFileSync, readdirSync, statSync } = require('node:fs')
const { join } = require('node:path')
const { monitorEventLoopDelay, performance } = require('node:perf_hooks')

const TURN_OPERATIONS = 10_000
const CLOCK_OPERATIONS = 1_000
const NOISE_BYTES = 4_096
const TICKS_MS = 5
const nextTurn = () => new Promise((resolve) => setImmediate(resolve))
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * Operations a second of `operation(i)`, a call that answers at once, for i from 0 to `count` or
 * until `msMax` have passed. Lets the event loop turn now and then, as a server would.
 */
async function rateSync(count, msMax, operation) {
  const startedMs = performance.now()
  let done = 0
  while (done < count && performance.now() - startedMs < msMax) {
    const end = Math.min(done + CLOCK_OPERATIONS, count)
    for (; done < end; done += 1) operation(done)
    if (done % TURN_OPERATIONS === 0) await nextTurn()
  }
  return perSecond(done, performance.now() - startedMs)
}

/** As `rateSync` for promises: `inFlight` callers, each of whom waits for its answer. */
async function rateAsync(inFlight, count, msMax, operation) {
  const startedMs = performance.now()
  let limit = count
  let given = 0
  const caller = async () => {
    while (given < limit) {
      const i = given
      given += 1
      if (i % CLOCK_OPERATIONS === 0 && performance.now() - startedMs > msMax) limit = given
      await operation(i)
    }
  }
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, caller))
  return perSecond(given, performance.now() - startedMs)
}

function perSecond(count, ms) {
  return (count / ms) * 1_000
}

/**
 * Watches how late a timer of 1 ms is while `work` runs: what any other request would wait for the
 * event loop. A timer, as a loop of `setImmediate` would take a core from the stores' threads.
 */
async function eventLoopDelay(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  await pause(TICKS_MS)
  const result = await work()
  // A stall counts when the timer fires after it: even one that lasts to the end.
  await pause(TICKS_MS)
  histogram.disable()
  const lateMs = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - 1)
  return {
    result,
    p50: lateMs(histogram.percentile(50)),
    p99: lateMs(histogram.percentile(99)),
    p999: lateMs(histogram.percentile(99.9)),
    max: lateMs(histogram.max),
  }
}

/** Bytes of the files below `directory` with that ending; files that vanish meanwhile do not count. */
function directoryBytes(directory, ending = '') {
  let bytes = 0
  for (const entry of orNothing(() => readdirSync(directory, { withFileTypes: true })) ?? []) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) bytes += directoryBytes(path, ending)
    else if (path.endsWith(ending)) bytes += orNothing(() => statSync(path))?.size ?? 0
  }
  return bytes
}

/** Bytes that this process has given to write calls, all threads; undefined where no /proc is. */
function bytesWritten() {
  const counters = orNothing(() => readFileSync('/proc/self/io', 'latin1'))
  const match = counters === undefined ? null : /^wchar: (\d+)$/m.exec(counters)
  return match === null ? undefined : Number(match[1])
}

/** Resident bytes after a collection of garbage (which needs --expose-gc). */
async function residentBytes() {
  for (let i = 0; i < 3; i += 1) {
    globalThis.gc?.()
    await nextTurn()
  }
  return process.memoryUsage.rss()
}

/**
 * Waits until the bytes of `progress()` stay (nearly: threads that wake each other write a few) the
 * same for `quietMs`: work in the background is over. @returns false when it is not after `msMax`.
 */
async function settled(progress, quietMs, msMax) {
  const startedMs = performance.now()
  let last = progress()
  let changedMs = startedMs
  while (performance.now() - changedMs < quietMs) {
    if (performance.now() - startedMs > msMax) return false
    await pause(50)
    const now = progress()
    if (Math.abs(now - last) < NOISE_BYTES) continue
    last = now
    changedMs = performance.now()
  }
  return true
}

function orNothing(read) {
  try {
    return read()
  } catch {
    return undefined
  }
}

module.exports = {
  bytesWritten,
  directoryBytes,
  eventLoopDelay,
  rateAsync,
  rateSync,
  residentBytes,
  settled,
}
