import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** How long a turn takes is for a quiet machine to say; here only that the figures come. */
test('loop delay: small: prints percentiles of turns and the longest of them', () => {
  const args = ['--seconds', '1', '--keys', '20000', '--memory', '4']
  const output = execFileSync(process.execPath, [join(__dirname, 'loop-delay.js'), ...args], {
    encoding: 'utf8',
  })
  for (const line of ['between two turns', 'without waiting for it', 'delay of a timer']) {
    expect(output).toMatch(new RegExp(`${line}( +\\d+\\.\\d\\d){4}\n`))
  }
  expect(output).toMatch(/[1-9]\d* writes\/s of 20000 keys, \d+ turns, [1-9]\d* flushes/)
  expect(output).toContain('the longest turns')
})
