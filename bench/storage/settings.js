const { dirname, resolve } = require('node:path')
const { tmpdir } = require('node:os')
const { parseArgs } = require('node:util')
const { GROUPS } = require('./scenarios')
const { STORE_NAMES } = require('./stores')

const DIST = resolve(__dirname, '../../packages/storage/dist')

const HELP = `Our storage engine beside LevelDB (classic-level) and LMDB (lmdb), on the same keys and values.

  npm run bench:storage                      everything; about an hour on two quiet cores
  npm run bench:storage -- --small           a few seconds: does it run? Its figures mean nothing
  npm run build && node bench/storage.js --only put,get --values 100 --rounds 5

  --values 100,1024,16384  bytes of a value, a table of figures for each
  --keys 1000000           keys stored; fewer where they would come to more than 2 GB
  --rounds 3               rounds; figures are their medians. Stores take turns in each round, so
                           that a noisy minute hits them all
  --stores ${STORE_NAMES.join(',')}
  --only GROUPS            of: ${GROUPS.slice(0, 7).join(', ')},
                           ${GROUPS.slice(7).join(', ')}
  --directory DIR          where the data lies meanwhile (${tmpdir()}); needs some 10 GB, and a real
                           disk where durable puts are to mean something
  --dist DIR               the build of ours, to compare two: DIR/index.js of packages/storage
  --json                   results as JSON on stdout
  --out FILE               also writes FILE.md and FILE.json, as in bench/results
  --help

Progress goes to stderr. Compare ratios within one run; absolute figures follow the machine and the
hour. bench/README.md says what each figure means and where the stores differ.
`

const OPTIONS = {
  values: { type: 'string' },
  keys: { type: 'string' },
  rounds: { type: 'string' },
  stores: { type: 'string' },
  only: { type: 'string' },
  directory: { type: 'string' },
  dist: { type: 'string' },
  out: { type: 'string' },
  json: { type: 'boolean', default: false },
  small: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
}

const FULL = {
  keys: 1_000_000,
  values: '100,1024,16384',
  rounds: 3,
  gets: 1_000_000,
  filterKeys: 200_000,
  inFlight: 256,
  phaseMsMax: 15_000,
  durableMs: 5_000,
  stallMs: 10_000,
  quietMs: 2_000,
  sampleMs: 250,
  dataBytesMax: 2_000_000_000,
  openBytes: 1_000_000_000,
  recoveryBytes: 256_000_000,
  amplificationBytes: 256_000_000,
  childMsMax: 30 * 60_000,
}

const SMALL = {
  ...FULL,
  keys: 3_000,
  values: '100',
  rounds: 1,
  gets: 3_000,
  filterKeys: 2_000,
  phaseMsMax: 500,
  durableMs: 100,
  stallMs: 200,
  quietMs: 200,
  sampleMs: 20,
  openBytes: 1_000_000,
  recoveryBytes: 1_000_000,
  amplificationBytes: 400_000,
  childMsMax: 60_000,
}

/** @throws Error that says what is wrong with the command line. */
function parseSettings(args) {
  const { values: flags } = parseArgs({ args, options: OPTIONS })
  if (flags.help) return { help: HELP }
  const sizes = flags.small ? SMALL : FULL
  const keys = flags.keys === undefined ? sizes.keys : wholeNumber('--keys', flags.keys, 100)
  // Fewer keys than usual: what is sized in bytes shrinks with them.
  const share = Math.min(1, keys / sizes.keys)
  const scaled = (bytes) => Math.max(1_000_000, Math.round(bytes * share))
  return {
    ...sizes,
    keys,
    gets: Math.min(sizes.gets, Math.max(keys, 10_000)),
    openBytes: scaled(sizes.openBytes),
    recoveryBytes: scaled(sizes.recoveryBytes),
    values: (flags.values ?? sizes.values)
      .split(',')
      .map((text) => wholeNumber('--values', text, 1)),
    rounds: flags.rounds === undefined ? sizes.rounds : wholeNumber('--rounds', flags.rounds, 1),
    stores: choices('--stores', flags.stores, STORE_NAMES),
    groups: choices('--only', flags.only, GROUPS),
    directory: resolve(flags.directory ?? tmpdir()),
    dist: buildOf(flags.dist),
    out: flags.out === undefined ? undefined : resolve(flags.out),
    json: flags.json,
    small: flags.small,
  }
}

function buildOf(flag) {
  if (flag === undefined) return DIST
  const path = resolve(flag)
  return path.endsWith('.js') ? dirname(path) : path
}

function wholeNumber(name, text, min) {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number >= min) return number
  throw new Error(`${name} takes whole numbers from ${min} on, not '${text}'`)
}

function choices(name, text, all) {
  if (text === undefined) return all
  const chosen = text.split(',')
  const unknown = chosen.filter((each) => !all.includes(each))
  if (unknown.length > 0) {
    throw new Error(`${name} knows ${all.join(', ')}, not '${unknown.join(', ')}'`)
  }
  return all.filter((each) => chosen.includes(each))
}

module.exports = { parseSettings }
