/**
 * The process of one scenario with one store: the runner forks it and sends one task; it answers
 * with a message for each figure, and one at the end.
 */
const { mkdirSync } = require('node:fs')
const { join } = require('node:path')
const { SCENARIOS } = require('./scenarios')
const { storeClass } = require('./stores')

async function perform(task) {
  const { scenario, phase, store, directory, dist, groups } = task
  const Store = storeClass(store)
  // Before any clock runs.
  Store.load?.({ dist })
  const context = {
    ...task,
    storeName: store,
    wants: (group) => groups.includes(group),
    report: (figure, value) => send({ figure, value }),
    open: async (options = {}, name = 'data') => {
      const place = join(directory, name)
      mkdirSync(place, { recursive: true })
      return Store.open(place, store === 'ours' ? { dist, ...options } : options)
    },
  }
  if (phase === 'probe') {
    await probe(context)
    send({ described: Store.describe({ dist }) })
    return
  }
  const { prepare, run } = SCENARIOS.find(({ name }) => name === scenario)
  await (phase === 'prepare' ? prepare : run)(context)
}

/** Whether the store is there at all and keeps what it is given. */
async function probe({ open }) {
  const store = await open()
  await store.put('key', Buffer.from('value'))
  if (store.getSync('key')?.toString() !== 'value') throw new Error('it does not keep a value')
  await store.close()
}

const send = (message) => process.send?.(message)

// Whoever runs this is gone: nobody waits for the figures.
process.once('disconnect', () => process.exit(1))
process.once('message', answer)

async function answer(task) {
  let message = { done: true }
  try {
    await perform(task)
  } catch (error) {
    message = { error: error instanceof Error ? error.stack : String(error) }
  }
  // Handles that a native addon leaves open must not keep the process.
  process.send(message, () => process.exit(0))
}
