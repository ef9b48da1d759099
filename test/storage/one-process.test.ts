import { Cleanup, until } from '../integration/world'
import { startScript } from './children'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

interface Said {
  readonly type: 'opened' | 'refused'
  readonly before?: string
  readonly code?: string
  readonly message?: string
}

/** Starts a process that opens the store in `directory`, and waits for what it says. */
async function open(directory: string) {
  const child = startScript('owner-child.js', { directory }, cleanup)
  await until('the process says something', () => child.stdout.endsWith('\n') || child.exit)
  expect(child.stderr).toBe('')
  return { child, said: JSON.parse(child.stdout) as Said }
}

test('store: a second process opens the directory: is refused and told of the owner', async () => {
  const directory = `${await cleanup.directory()}/store`
  const owner = await open(directory)
  expect(owner.said).toEqual({ type: 'opened' })

  const [a, b] = await Promise.all([open(directory), open(directory)])
  for (const { said, child } of [a, b]) {
    expect(said).toMatchObject({ type: 'refused', code: 'CASSIO_LOCKED' })
    expect(said.message).toContain(directory)
    expect(said.message).toContain(String(owner.child.pid))
    // Refused, it has nothing left to do.
    expect(await child.exited).toMatchObject({ code: 0 })
  }
})

test('store: its owner killed with -9: of several processes that come, one gets it', async () => {
  const directory = `${await cleanup.directory()}/store`
  const owner = await open(directory)
  await owner.child.kill()

  const heirs = await Promise.all([open(directory), open(directory), open(directory)])
  const opened = heirs.filter(({ said }) => said.type === 'opened')
  expect(opened.map(({ said }) => said.before)).toEqual([String(owner.child.pid)])
  for (const { said } of heirs) if (said.type === 'refused') expect(said.code).toBe('CASSIO_LOCKED')

  await opened[0]!.child.kill()
  const last = await open(directory)
  expect(last.said).toEqual({ type: 'opened', before: String(opened[0]!.child.pid) })
})
