const { CHOICES, Values, texts } = require('../keys')
const { eventLoopDelay, rateAsync } = require('../measure')

const PICKS_MAX = 4_000_000

/** How long the event loop is held while puts never cease, into an empty store that grows. */
async function run({ sizes, open, report, storeName, seed }) {
  const { keys: count, valueBytes, inFlight, stallMs } = sizes
  const keys = texts(count)
  const values = new Values(valueBytes)
  const picks = CHOICES.uniform(Math.min(PICKS_MAX, 4 * count), count, seed)
  const store = await open()
  const delay = await eventLoopDelay(() =>
    rateAsync(inFlight, Number.POSITIVE_INFINITY, stallMs, (i) =>
      store.put(keys[picks[i % picks.length]], values.at(i)),
    ),
  )
  report('stall.p50', delay.p50)
  report('stall.p99', delay.p99)
  report('stall.p999', delay.p999)
  report('stall.max', delay.max)
  report('stall.puts', delay.result)
  if (storeName === 'ours') {
    const { flushes, compactions, throttledMs } = store.stats()
    report('stall.flushes', flushes)
    report('stall.compactions', compactions)
    report('stall.throttled', throttledMs)
  }
  await store.close()
}

module.exports = { name: 'stall', groups: ['stall'], run }
