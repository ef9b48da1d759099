/**
 * Which I/O calls a crash test tries: all of them with CASSIO_EXHAUSTIVE=1, else every n-th from an
 * offset that a seed gives, so that one run after the other covers them. CASSIO_POINT='137:4' tries
 * one call with one seed, as the message of a failure says.
 */
const EXHAUSTIVE = process.env.CASSIO_EXHAUSTIVE === '1'
const POINT = process.env.CASSIO_POINT
const SEED = Number(process.env.CASSIO_SEED ?? Date.now() % 1_000_000)
const TIMEOUT_MS = 3 * 3_600_000

export interface Points {
  /** How many calls there are, counted from 1. */
  readonly calls: () => Promise<number>
  /** How many of them are tried when not all are. */
  readonly sample: number
  /** Seeds for each call, when all are tried. */
  readonly seeds?: number
}

/** A test that runs `attempt` for many calls; a failure says which one, and how to replay it. */
export function testPoints(
  name: string,
  { calls, sample, seeds = 1 }: Points,
  attempt: (call: number, seed: number) => Promise<void>,
): void {
  test(
    name,
    async () => {
      const count = await calls()
      let tried = 0
      for (const { call, seed } of pointsOf(count, sample, seeds)) {
        tried += 1
        try {
          await attempt(call, seed)
        } catch (error) {
          const { testPath } = expect.getState()
          const replay = `CASSIO_POINT=${call}:${seed} npx jest ${testPath} -t '${name}'`
          const where = `call ${call} of ${count}, seed ${seed} (offsets from ${SEED})`
          throw new Error(`${where} failed; replay with: ${replay}\n${(error as Error).stack}`)
        }
      }
      if (EXHAUSTIVE) process.stderr.write(`${name}: ${tried} points, ${count} calls\n`)
    },
    TIMEOUT_MS,
  )
}

function pointsOf(calls: number, sample: number, seeds: number): { call: number; seed: number }[] {
  if (POINT !== undefined) {
    const [call, seed] = POINT.split(':').map(Number)
    return [{ call: call!, seed: seed! }]
  }
  const all = Array.from({ length: calls }, (_, i) => i + 1)
  if (EXHAUSTIVE) {
    return all.flatMap((call) => Array.from({ length: seeds }, (_, i) => ({ call, seed: i + 1 })))
  }
  const stride = Math.max(1, Math.floor(calls / sample))
  return all
    .filter((call) => call % stride === SEED % stride)
    .map((call, i) => ({ call, seed: 1 + ((SEED + i) % 1_000) }))
}
