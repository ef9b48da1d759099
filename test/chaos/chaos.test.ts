import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Cleanup, until } from '../integration/world'
import type { ChaosReport } from './report'

const RUN_TIMEOUT_MS = 900_000
const START_PATIENCE_MS = 180_000

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

class Rig {
  stdout = ''
  stderr = ''
  readonly exited: Promise<number | null>

  private constructor(
    readonly process: ChildProcess,
    readonly directory: string,
  ) {
    process.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString()
    })
    process.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
    })
    this.exited = new Promise((resolve) => process.on('close', resolve))
  }

  /** The command, as a process with a directory of its own for all that it makes. */
  static async start(...args: string[]): Promise<Rig> {
    const directory = await cleanup.directory()
    const child = spawn(process.execPath, [join(__dirname, 'chaos.js'), ...args], {
      env: { ...process.env, TMPDIR: directory },
      // The rig ends with the test, even when that is killed.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    const rig = new Rig(child, directory)
    cleanup.add(async () => {
      child.kill('SIGTERM')
      await rig.exited
    })
    return rig
  }

  /** Processes that know its directory: the nodes do, by their arguments. */
  get nodes(): string[] {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && this.isNode(name))
  }

  private isNode(pid: string): boolean {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(this.directory)
    } catch {
      return false
    }
  }
}

describe('chaos: real processes', () => {
  test(
    'faults for 20 s: no rule is broken, all becomes equal, nothing is left',
    async () => {
      const rig = await Rig.start('--minutes', '0.35', '--seed', '11', '--json')
      const code = await rig.exited
      expect([code, code === 0 ? '' : rig.stderr]).toEqual([0, ''])
      const report = JSON.parse(rig.stdout) as ChaosReport
      expect(report).toMatchObject({ violations: [], seed: 11, nodes: 5 })
      expect(report.directory).toBeUndefined()
      expect(Object.keys(report.faults).length).toBeGreaterThan(2)
      for (const verb of ['set', 'get', 'del']) {
        expect(report.calls[`${verb} ok`]).toBeGreaterThan(0)
      }
      expect(report.convergenceMs).toBeGreaterThan(0)
      expect(report.repair).toMatchObject({ verified: report.repair?.total, failures: [] })
      expect(readdirSync(rig.directory)).toEqual([])
      if (process.platform === 'linux') expect(rig.nodes).toEqual([])
    },
    RUN_TIMEOUT_MS,
  )

  test(
    'interrupted: everything that it has started ends',
    async () => {
      const rig = await Rig.start('--minutes', '30', '--seed', '12')
      await until('it runs', () => rig.stderr.includes('callers begin'), START_PATIENCE_MS)
      if (process.platform === 'linux') expect(rig.nodes).toHaveLength(5)
      rig.process.kill('SIGINT')
      expect(await rig.exited).toBe(130)
      expect(readdirSync(rig.directory)).toEqual([])
      if (process.platform === 'linux') expect(rig.nodes).toEqual([])
    },
    RUN_TIMEOUT_MS,
  )

  test('called wrongly: says how, and exits with 2', async () => {
    const rig = await Rig.start('--nodes', '1')
    expect(await rig.exited).toBe(2)
    expect(rig.stderr).toContain('--nodes is a whole number from 3 to 9, not 1')
  })
})
