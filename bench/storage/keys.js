/**
 * Keys, values and choices of keys: made from seeds, so that every store gets the same ones in the
 * same order.
 */
const KEY_BYTES = 18
const POOL_BYTES = 8 * 1024 * 1024
const POOL_VIEWS = 4_096
const ZIPFIAN_THETA = 0.99

/** Mulberry32: numbers from 0 to 1, 1 excluded. Good enough for load, and quick. */
function seeded(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const scratch = Buffer.from(`key:${'0'.repeat(14)}`)

/** `key:%014d`, as a flat string: one put together by `+` is flattened when a store first uses it. */
function keyText(number) {
  let rest = number
  for (let at = KEY_BYTES - 1; at >= 4; at -= 1) {
    const tenth = Math.floor(rest / 10)
    scratch[at] = 48 + rest - tenth * 10
    rest = tenth
  }
  return scratch.latin1Slice(0, KEY_BYTES)
}

/** Stored keys have even numbers and absent ones odd: no range of keys tells them apart. */
const storedKey = (index) => keyText(2 * index)
const absentKey = (index) => keyText(2 * index + 1)

/** @returns the texts of the keys 0 to `count`, made before the clock runs. */
function texts(count, textOf = storedKey) {
  const keys = new Array(count)
  for (let i = 0; i < count; i += 1) keys[i] = textOf(i)
  return keys
}

/** Every index once, in random order. */
function shuffled(count, seed) {
  const random = seeded(seed)
  const order = new Uint32Array(count)
  for (let i = 0; i < count; i += 1) {
    const j = Math.floor(random() * (i + 1))
    order[i] = order[j]
    order[j] = i
  }
  return order
}

function uniform(count, keys, seed) {
  const random = seeded(seed)
  const picks = new Uint32Array(count)
  for (let i = 0; i < count; i += 1) picks[i] = Math.floor(random() * keys)
  return picks
}

/**
 * Zipfian ranks by the method of Gray et al., "Quickly Generating Billion-Record Synthetic
 * Databases", SIGMOD 1994, as YCSB does; a permutation then scatters the popular keys.
 */
function zipfian(count, keys, seed) {
  if (keys < 2) return new Uint32Array(count)
  const random = seeded(seed)
  const places = shuffled(keys, seed + 1)
  let zeta = 0
  for (let rank = 1; rank <= keys; rank += 1) zeta += 1 / rank ** ZIPFIAN_THETA
  const zetaTwo = 1 + 0.5 ** ZIPFIAN_THETA
  const alpha = 1 / (1 - ZIPFIAN_THETA)
  const eta = (1 - (2 / keys) ** (1 - ZIPFIAN_THETA)) / (1 - zetaTwo / zeta)
  const picks = new Uint32Array(count)
  for (let i = 0; i < count; i += 1) {
    const chance = random()
    let rank = Math.floor(keys * (eta * chance - eta + 1) ** alpha)
    if (chance * zeta < 1) rank = 0
    else if (chance * zeta < zetaTwo) rank = 1
    picks[i] = places[Math.min(rank, keys - 1)]
  }
  return picks
}

const CHOICES = { uniform, zipfian }

/** Random bytes, which no compression makes smaller: views into one pool. */
class Values {
  constructor(bytes, seed = 1) {
    const random = seeded(seed)
    const words = new Uint32Array(Math.max(POOL_BYTES, 4 * bytes) / 4)
    for (let i = 0; i < words.length; i += 1) words[i] = random() * 2 ** 32
    const pool = Buffer.from(words.buffer)
    this.views = Array.from({ length: POOL_VIEWS }, () => {
      const at = Math.floor(random() * (pool.length - bytes))
      return pool.subarray(at, at + bytes)
    })
  }

  at(index) {
    return this.views[index % POOL_VIEWS]
  }
}

module.exports = { CHOICES, KEY_BYTES, Values, absentKey, shuffled, storedKey, texts }
