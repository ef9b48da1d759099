const { Values, shuffled, texts } = require('../keys')
const { rateAsync } = require('../measure')

/** For information: puts that are acknowledged once they would survive a power cut. */
async function run({ sizes, open, report, seed }) {
  const { keys: count, valueBytes, inFlight, durableMs } = sizes
  const keys = texts(count)
  const values = new Values(valueBytes)
  const order = shuffled(count, seed)
  const store = await open({ durable: true })
  report(
    'durable',
    await rateAsync(inFlight, count, durableMs, (i) =>
      store.putDurably(keys[order[i]], values.at(i)),
    ),
  )
  await store.close()
}

module.exports = { name: 'durable', groups: ['durable'], run }
