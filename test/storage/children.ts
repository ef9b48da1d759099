import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Child, ROOT } from '../integration/processes'
import type { Cleanup } from '../integration/world'

/** Processes that use the store's build: `npm run build` comes first. */

/**
 * Runs a script of this folder; it is told when this process is gone, and killed at the latest by
 * `cleanup`. Its one argument is `plan` as JSON.
 */
export function startScript(
  name: string,
  plan: unknown,
  cleanup: Cleanup,
  flags: readonly string[] = [],
): Child {
  if (!existsSync(join(ROOT, 'packages', 'storage', 'dist', 'index.js'))) {
    throw new Error('tests of real processes run the build: npm run build')
  }
  const args = [...flags, join(__dirname, name), JSON.stringify(plan)]
  const child = new Child(
    spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }),
  )
  cleanup.add(() => child.kill())
  return child
}

/** Resolves as soon as the process has written this line, or has ended. */
export function whenSaid(child: Child, line: string): Promise<void> {
  const { stdout } = child.process
  const isSaid = () => `\n${child.stdout}`.includes(`\n${line}\n`)
  return new Promise((resolve) => {
    const look = () => {
      if (!isSaid()) return
      stdout?.off('data', look)
      resolve()
    }
    stdout?.on('data', look)
    void child.exited.then(() => resolve())
    look()
  })
}
