import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'

/** A real process over `dist`, as users run it: needs a build. */
test('bench: storage, small sizes: runs to its end and prints every figure', () => {
  const root = resolve(__dirname, '../../..')
  const run = spawnSync(process.execPath, ['bench/storage.js', '--small'], {
    cwd: root,
    encoding: 'utf8',
  })
  expect(run.stderr).toBe('')
  expect(run.status).toBe(0)
  for (const line of ["sync 'group'", "sync 'periodic'", "sync 'none'", 'read', 'recover']) {
    expect(run.stdout).toContain(line)
  }
})
