const { existsSync } = require('node:fs')
const { resolve } = require('node:path')
const { performance } = require('node:perf_hooks')
const { absentKey, texts } = require('../keys')

const ERROR_RATE = 0.01
const BITS_PER_KEY = 10

/**
 * The Bloom filter of our tables beside `bloom-filters` as it comes, at about one false positive in
 * a hundred. Ours is asked with the hash that the store carries along; the library hashes the key.
 */
async function run({ sizes, report, dist }) {
  const { BloomFilter } = require('bloom-filters')
  const present = texts(sizes.filterKeys)
  const absent = texts(sizes.filterKeys, absentKey)
  measure(() => BloomFilter.create(present.length, ERROR_RATE), present, absent, 'library', report)

  // Inside the package, so that a build may lack it.
  const filter = resolve(dist, 'table/filter.js')
  const protocol = resolve(dist, '../../protocol/dist/index.js')
  if (!existsSync(filter) || !existsSync(protocol)) return
  const { KeyFilter } = require(filter)
  const { keyHash } = require(protocol)
  const hashed = (keys) => keys.map((key) => keyHash(Buffer.from(key), 0, key.length))
  const bytes = present.map((key) => Buffer.from(key))
  const hash = () => nanosecondsEach(bytes, (key) => keyHash(key, 0, key.length))
  hash()
  report('filter.hash.ours', hash())
  const make = () => KeyFilter.sized(present.length, BITS_PER_KEY)
  measure(make, hashed(present), hashed(absent), 'ours', report)
}

/** Twice, of which the first time is for the compiler. */
function measure(make, present, absent, whose, report) {
  for (const warm of [false, true]) {
    const filter = make()
    const addNs = nanosecondsEach(present, (key) => filter.add(key))
    let wrong = 0
    const hasNs = nanosecondsEach(absent, (key) => {
      if (filter.has(key)) wrong += 1
    })
    if (!warm) continue
    report(`filter.add.${whose}`, addNs)
    report(`filter.has.${whose}`, hasNs)
    report(`filter.wrong.${whose}`, (100 * wrong) / absent.length)
  }
}

function nanosecondsEach(items, operation) {
  const startedMs = performance.now()
  for (const item of items) operation(item)
  return ((performance.now() - startedMs) * 1e6) / items.length
}

module.exports = { name: 'filter', groups: ['filter'], stores: ['ours'], run }
