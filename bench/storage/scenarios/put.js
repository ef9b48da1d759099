const { CHOICES, Values, shuffled, texts } = require('../keys')
const { rateAsync } = require('../measure')

/** Puts that nobody syncs: every key once in random order, then overwrites by either choice. */
async function run({ sizes, open, report, seed }) {
  const { keys: count, valueBytes, inFlight, phaseMsMax } = sizes
  const keys = texts(count)
  const values = new Values(valueBytes)
  const order = shuffled(count, seed)
  const overwrites = Object.entries(CHOICES).map(([name, choose]) => [
    name,
    choose(count, count, seed + 1),
  ])
  const store = await open()
  report(
    'put.load',
    await rateAsync(inFlight, count, Number.POSITIVE_INFINITY, (i) =>
      store.put(keys[order[i]], values.at(order[i])),
    ),
  )
  for (const [name, picks] of overwrites) {
    report(
      `put.${name}`,
      await rateAsync(inFlight, count, phaseMsMax, (i) =>
        store.put(keys[picks[i]], values.at(picks[i] + i + 1)),
      ),
    )
  }
  for (let i = 0; i < count; i += Math.ceil(count / 100)) {
    if (store.getSync(keys[i])?.length !== valueBytes) throw new Error(`${keys[i]} is not there`)
  }
  await store.close()
}

module.exports = { name: 'put', groups: ['put'], run }
