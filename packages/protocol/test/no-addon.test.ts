import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'

test.each(['client', 'server'])('packages: %s is loaded: without any native addon', (name) => {
  const script = `
    const dlopen = process.dlopen
    process.dlopen = (module, path, ...rest) => {
      console.log(path)
      return dlopen(module, path, ...rest)
    }
    require(${JSON.stringify(resolve(__dirname, '../..', name))})
  `
  expect(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' })).toBe('')
})
