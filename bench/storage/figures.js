/**
 * Every figure, in the order of the tables. `less` marks those of which less is better; `against` is
 * the figure of the peers that a ratio is taken to, where it is not the same; `alone` keeps a figure
 * out of the table of ratios.
 */
const PUT = 'put, not synced, 256 in flight'
const GET = 'get on disk, page cache warm'
const RATE = { unit: '/s' }
const LATE = { unit: 'ms', less: true }

const FIGURES = [
  { id: 'put.load', title: `${PUT}: each key once, random order`, ...RATE },
  { id: 'put.uniform', title: `${PUT}: overwrites, uniform`, ...RATE },
  { id: 'put.zipfian', title: `${PUT}: overwrites, Zipfian`, ...RATE },
  { id: 'batch', title: 'put in batches of 1,000, one at a time', ...RATE },
  { id: 'durable', title: 'put, durable, 256 in flight', ...RATE },
  { id: 'get.memory', title: 'get of keys just written (memtable)', ...RATE },
  { id: 'get.uniform', title: `${GET}, uniform`, ...RATE },
  { id: 'get.zipfian', title: `${GET}, Zipfian`, ...RATE },
  { id: 'get.blocks', title: 'get on disk: blocks then cached by ours', unit: 'MiB', alone: true },
  {
    id: 'get.uniform.cache',
    title: `${GET}, uniform, ours with a cache of 8 MiB`,
    against: 'get.uniform',
    ...RATE,
  },
  {
    id: 'get.zipfian.cache',
    title: `${GET}, Zipfian, ours with a cache of 8 MiB`,
    against: 'get.zipfian',
    ...RATE,
  },
  { id: 'get.cache', title: 'cache of 8 MiB: blocks then cached', unit: 'MiB', alone: true },
  { id: 'get.async.uniform', title: `${GET}, uniform, promises, 64 in flight`, ...RATE },
  { id: 'get.async.zipfian', title: `${GET}, Zipfian, promises, 64 in flight`, ...RATE },
  { id: 'missing', title: 'get of missing keys', ...RATE },
  { id: 'missing.async', title: 'get of missing keys, promises, 64 in flight', ...RATE },
  { id: 'deleted', title: 'get of deleted keys, deletions flushed', ...RATE },
  { id: 'deleted.compacted', title: 'get of deleted keys, compacted', ...RATE },
  { id: 'scan', title: 'ordered scan, keys and values (its best way)', ...RATE },
  { id: 'scan.iterator', title: 'ordered scan, for await over iterator()', alone: true, ...RATE },
  { id: 'scan.nextv', title: 'ordered scan, nextv(1000)', alone: true, ...RATE },
  { id: 'memory.key', title: 'memory of filters and indexes', unit: 'B/key', less: true },
  { id: 'memory.rss', title: 'growth of resident memory, loaded', unit: 'MiB', less: true },
  { id: 'open', title: 'open and first get', ...LATE },
  { id: 'open.disk', title: 'open: size of that store', unit: 'MB', alone: true },
  { id: 'open.replayed', title: 'open: log replayed', unit: 'MB', alone: true },
  { id: 'open.rss', title: 'open: growth of resident memory', unit: 'MiB', less: true },
  { id: 'recovery', title: 'recovery from the log', unit: 'MB/s' },
  { id: 'recovery.bytes', title: 'recovery: log replayed', unit: 'MB', alone: true },
  ...['uniform', 'zipfian'].flatMap(amplification),
  { id: 'stall.puts', title: `${PUT}, while the event loop is watched`, ...RATE },
  { id: 'stall.p50', title: 'event loop delay meanwhile, p50', ...LATE },
  { id: 'stall.p99', title: 'event loop delay meanwhile, p99', ...LATE },
  { id: 'stall.p999', title: 'event loop delay meanwhile, p99.9', ...LATE },
  { id: 'stall.max', title: 'event loop delay meanwhile, longest stall', ...LATE },
  { id: 'stall.flushes', title: 'flushes meanwhile', unit: '', alone: true },
  { id: 'stall.compactions', title: 'compactions meanwhile', unit: '', alone: true },
  { id: 'stall.throttled', title: 'writes held back meanwhile', unit: 'ms', alone: true },
  { id: 'filter.hash.ours', title: 'hash of a key, made once', unit: 'ns', alone: true },
  { id: 'filter.has.ours', title: 'Bloom filter of our tables: has', unit: 'ns', alone: true },
  { id: 'filter.add.ours', title: 'Bloom filter of our tables: add', unit: 'ns', alone: true },
  { id: 'filter.wrong.ours', title: 'Bloom filter of our tables: wrong', unit: '%', alone: true },
  { id: 'filter.has.library', title: 'bloom-filters as it comes: has', unit: 'ns', alone: true },
  { id: 'filter.add.library', title: 'bloom-filters as it comes: add', unit: 'ns', alone: true },
  { id: 'filter.wrong.library', title: 'bloom-filters as it comes: wrong', unit: '%', alone: true },
]

function amplification(choice) {
  const how = choice === 'uniform' ? 'uniform' : 'Zipfian'
  const one = (id, title, more) => ({
    id: `amplification.${choice}.${id}`,
    title: `${how} overwrites: ${title}`,
    unit: 'x',
    less: true,
    ...more,
  })
  const spread = (id, title, more) =>
    [
      ['max', 'most'],
      ['mean', 'mean'],
      ['end', 'settled'],
    ].map(([when, word]) => one(`${id}.${when}`, `${title}, ${word}`, more))
  return [
    one('write', 'log, flushes and compaction / cells taken'),
    one('kernel', 'bytes given to write calls / keys and values put'),
    ...spread('space', 'tables on disk / live cells'),
    ...spread('space.log', 'tables and log on disk / live cells', { alone: true }),
    ...spread('disk', 'all on disk / keys and values'),
    one('flushes', 'flushes', { unit: '', less: false, alone: true }),
  ]
}

/**
 * What our issue aims at, for values of `AIM_VALUE_BYTES`: `atLeast` times a peer's figure (or
 * another of ours), or a bound on the figure itself.
 */
const AIM_VALUE_BYTES = 100
const lmdb = (figure, atLeast) => ({ figure, than: { store: 'lmdb' }, atLeast })
const level = (figure, atLeast) => ({ figure, than: { store: 'classic-level' }, atLeast })

const AIMS = [
  ...['put.load', 'put.uniform', 'put.zipfian'].flatMap((put) => [level(put, 2.5), lmdb(put, 1)]),
  lmdb('get.memory', 3),
  level('get.uniform', 1.5),
  level('get.zipfian', 1.5),
  level('get.uniform.cache', 1.5),
  level('get.zipfian.cache', 1.5),
  level('missing', 5),
  level('missing.async', 5),
  { figure: 'deleted', than: { store: 'ours', figure: 'missing' }, atLeast: 0.9 },
  level('scan', 1),
  { figure: 'recovery', atLeast: 200 },
  { figure: 'open', atMost: 500 },
  ...['uniform', 'zipfian'].flatMap((choice) => [
    { figure: `amplification.${choice}.write`, atMost: 8 },
    ...['max', 'mean', 'end'].map((when) => ({
      figure: `amplification.${choice}.space.${when}`,
      atMost: 1.6,
    })),
  ]),
]

module.exports = { AIMS, AIM_VALUE_BYTES, FIGURES }
