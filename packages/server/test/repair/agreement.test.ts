import { AgreementWorld } from './agreement-world'

const FIRST = Number(process.env.CASSIO_SEED ?? 1)
const SEEDS =
  process.env.CASSIO_SEED === undefined ? 25 * Number(process.env.CASSIO_SEEDS_FACTOR ?? 1) : 1

test('nothing acknowledged is lost, and nothing deleted comes back', async () => {
  let verified = 0
  let forgotten = 0
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    const world = new AgreementWorld(seed)
    await world.run()
    expect([seed, world.violations.slice(0, 3)]).toEqual([seed, []])
    verified += world.verified
    forgotten += world.forgotten
  }
  // Otherwise nothing was put to the test.
  expect(verified).toBeGreaterThan(SEEDS * 5)
  expect(forgotten).toBeGreaterThan(SEEDS * 5)
})
