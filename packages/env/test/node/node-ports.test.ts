import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createLogger, nodePorts, silentLogger } from '../../src'

describe('node clock, timers and random', () => {
  const { clock, timers, random, logger } = nodePorts()

  it('node ports: without a logger: silent', () => {
    expect(logger).toBe(silentLogger)
  })

  it('node clock: wall in whole milliseconds, monotonic never back', () => {
    expect(Number.isInteger(clock.wallMs())).toBe(true)
    let last = clock.monotonicMs()
    for (let index = 0; index < 1_000; index += 1) {
      const now = clock.monotonicMs()
      expect(now).toBeGreaterThanOrEqual(last)
      last = now
    }
  })

  it('node timers: after: never early by the monotonic clock', async () => {
    const delays = [0, 0.3, 1, 1.7, 2.5, 5, 9.9]
    const lateness = delays.map(
      (delayMs) =>
        new Promise<number>((resolve) => {
          const startMs = clock.monotonicMs()
          timers.after(delayMs, () => resolve(clock.monotonicMs() - startMs - delayMs))
        }),
    )
    for (const lateMs of await Promise.all(lateness)) expect(lateMs).toBeGreaterThanOrEqual(0)
  })

  it('node timers: cancel: never fires; a delay beyond 32 bits does not fire at once', async () => {
    const fired: string[] = []
    const cancelled = timers.after(0, () => fired.push('cancelled'))
    const far = timers.after(2 ** 33, () => fired.push('far'))
    cancelled.cancel()
    await new Promise<void>((resolve) => timers.after(5, resolve))
    far.cancel()
    far.cancel()
    expect(fired).toEqual([])
  })

  it('node timers: soon: after promises that are settled, in order', async () => {
    const seen: string[] = []
    timers.soon(() => seen.push('soon'))
    void Promise.resolve().then(() => seen.push('promise'))
    await new Promise<void>((resolve) => timers.soon(resolve))
    expect(seen).toEqual(['promise', 'soon'])
  })

  it('node random: ranges, and no repetition', () => {
    const seen = new Set<number>()
    for (let index = 0; index < 3_000; index += 1) {
      const value = random.u32()
      expect(Number.isInteger(value) && value >= 0 && value < 2 ** 32).toBe(true)
      seen.add(value)
      const unit = random.unit()
      expect(unit >= 0 && unit < 1).toBe(true)
    }
    expect(seen.size).toBeGreaterThan(2_990)
    expect(random.bytes(16)).toHaveLength(16)
    expect(random.bytes(16)).not.toEqual(random.bytes(16))
  })
})

describe('pino logger', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'cassiopeia-log-'))
  })

  afterEach(() => {
    rmSync(directory, { recursive: true, force: true })
  })

  it('pino logger: to a file: lines of JSON from its level on, with fields and errors', () => {
    const path = join(directory, 'deep', 'node.log')
    const logger = createLogger({ level: 'info', destination: path })
    logger.debug('dropped')
    logger.info('started', { port: 1 })
    logger.child({ peer: 'n2' }).error('failed', { error: new Error('why') })
    const text = readFileSync(path, 'utf8')
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines).toMatchObject([
      { level: 'info', event: 'started', port: 1 },
      { level: 'error', event: 'failed', peer: 'n2', error: { message: 'why' } },
    ])
    expect(Date.parse(lines[0].time)).toBeGreaterThan(0)
  })

  it('pino logger: to stderr: nothing is lost when the process ends at once', () => {
    const compiled = resolve(__dirname, '../../dist/index.js')
    const program = `
      const { createLogger } = require(${JSON.stringify(compiled)})
      const logger = createLogger()
      for (let index = 0; index < 500; index += 1) logger.error('fatal', { index })
      process.kill(process.pid, 'SIGKILL')
    `
    const { stdout, stderr, signal } = spawnSync(process.execPath, ['-e', program], {
      encoding: 'utf8',
    })
    expect(signal).toBe('SIGKILL')
    expect(stdout).toBe('')
    expect(stderr.trim().split('\n')).toHaveLength(500)
  })

  it('pino logger: a destination that cannot be written: no harm', () => {
    const full = '/dev/full'
    if (process.platform !== 'linux') return
    const logger = createLogger({ destination: full })
    for (let index = 0; index < 100; index += 1) logger.info('lost')
  })
})
