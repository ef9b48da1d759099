/** A process of the pool: performs one task after the other, as `process-pool.ts` sends them. */
require('../load-typescript.js')
const { plantFromEnvironment } = require('../planted/find.ts')
const { perform } = require('./tasks.ts')

plantFromEnvironment()

// Without its parent nobody wants its answers; and Ctrl-C is for the parent, which then says what was done.
process.on('disconnect', () => process.exit())
process.on('SIGINT', () => {})

process.on('message', async (task) => {
  let answer
  try {
    answer = { result: await perform(task) }
  } catch (error) {
    answer = { error: error instanceof Error ? error.stack : String(error) }
  }
  process.send(answer)
})
