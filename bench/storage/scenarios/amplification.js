const { join } = require('node:path')
const { CHOICES, Values, shuffled, texts } = require('../keys')
const { bytesWritten, directoryBytes, rateAsync, settled } = require('../measure')
const { entryBytes } = require('./load')

const OVERWRITES_PER_KEY = 5
const MEMTABLES_OF_DATA = 10
const MEMTABLE_BYTES_MIN = 4 * 1024
/** About what a cell adds to its key and value. */
const CELL_EXTRA_BYTES = 32
const SETTLE_MS_MAX = 120_000
const forever = Number.POSITIVE_INFINITY

/** What overwriting costs in bytes written and in bytes on disk; for each choice a fresh store. */
async function run(context) {
  for (const choice of Object.keys(CHOICES)) await measure(context, choice)
}

async function measure({ sizes, open, report, storeName, seed, directory }, choice) {
  const { valueBytes, inFlight, quietMs, sampleMs } = sizes
  const count = Math.min(sizes.keys, Math.ceil(sizes.amplificationBytes / entryBytes(valueBytes)))
  const given = count * entryBytes(valueBytes)
  const ours = storeName === 'ours'
  const keys = texts(count)
  const values = new Values(valueBytes)
  const picks = CHOICES[choice](OVERWRITES_PER_KEY * count, count, seed)
  const order = shuffled(count, seed)
  const memtableBytes = Math.ceil((given + count * CELL_EXTRA_BYTES) / MEMTABLES_OF_DATA)
  const options = ours ? { memtableBytes: Math.max(MEMTABLE_BYTES_MIN, memtableBytes) } : {}
  const progress = () => bytesWritten() ?? directoryBytes(directory)
  const settle = () => settled(progress, quietMs, SETTLE_MS_MAX)
  const name = (figure) => `amplification.${choice}.${figure}`

  const store = await open(options, choice)
  await rateAsync(inFlight, count, forever, (i) => store.put(keys[order[i]], values.at(i)))
  await settle()
  const before = ours ? store.stats() : undefined
  const writtenBefore = bytesWritten()
  const cellsBytes = ours ? (before.bytesTaken / before.writes) * count : undefined

  const samples = []
  const files = join(directory, choice)
  const sample = () => {
    samples.push({ all: directoryBytes(files), tables: directoryBytes(files, '.table') })
  }
  sample()
  const sampler = setInterval(sample, sampleMs)
  await rateAsync(inFlight, picks.length, forever, (i) =>
    store.put(keys[picks[i]], values.at(picks[i] + i + 1)),
  )
  sample()
  const quiet = await settle()
  clearInterval(sampler)
  sample()
  if (!quiet) throw new Error(`still at work ${SETTLE_MS_MAX / 1_000} s after the last put`)

  const last = samples.at(-1)
  const spread = (label, of, unit) => {
    const figures = samples.map((each) => of(each) / unit)
    report(name(`${label}.max`), Math.max(...figures))
    report(name(`${label}.mean`), figures.reduce((sum, each) => sum + each, 0) / figures.length)
    report(name(`${label}.end`), of(last) / unit)
  }
  if (ours) {
    const after = store.stats()
    const grown = (field) => after[field] - before[field]
    const written = grown('bytesLogged') + grown('bytesFlushed') + grown('bytesCompacted')
    report(name('write'), written / grown('bytesTaken'))
    report(name('flushes'), grown('flushes'))
    spread('space', ({ tables }) => tables, cellsBytes)
    spread('space.log', ({ all }) => all, cellsBytes)
  }
  if (writtenBefore !== undefined) {
    const bytes = OVERWRITES_PER_KEY * given
    report(name('kernel'), (bytesWritten() - writtenBefore) / bytes)
  }
  spread('disk', ({ all }) => all, given)
  await store.close()
}

module.exports = { name: 'amplification', groups: ['amplification'], once: true, run }
