/** Opens a store, says so, and keeps it until it is killed; or says why it could not. */
const { openStore } = require('@cassiopeia/storage')

const { directory } = JSON.parse(process.argv[2])
process.on('disconnect', () => process.exit(3))
process.channel.unref()

openStore({ directory }).then(
  async (store) => {
    setInterval(() => {}, 1_000)
    const before = await store.get('owner')
    await store.set('owner', String(process.pid))
    process.stdout.write(`${JSON.stringify({ type: 'opened', before: before?.toString() })}\n`)
  },
  ({ code, message }) => {
    process.stdout.write(`${JSON.stringify({ type: 'refused', code, message })}\n`)
  },
)
