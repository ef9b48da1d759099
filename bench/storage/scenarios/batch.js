const { performance } = require('node:perf_hooks')
const { Values, texts } = require('../keys')
const { checkLoaded, loadByBatches } = require('./load')

/** Every key once, in random order, in batches: one at a time. */
async function run({ sizes, open, report }) {
  const { keys: count, valueBytes } = sizes
  const keys = texts(count)
  const values = new Values(valueBytes)
  const store = await open()
  const startedMs = performance.now()
  await loadByBatches(store, count, values, (index) => keys[index])
  report('batch', (count / (performance.now() - startedMs)) * 1_000)
  checkLoaded(store, count, values)
  await store.close()
}

module.exports = { name: 'batch', groups: ['batch'], run }
