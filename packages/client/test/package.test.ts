import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import * as source from '../src'

const PACKAGE = join(__dirname, '..')

/** What a program sees that loads the built package under its name. */
function load(type: 'commonjs' | 'module', code: string): string[] {
  const args = [`--input-type=${type}`, '--eval', code]
  return JSON.parse(execFileSync(process.execPath, args, { cwd: PACKAGE, encoding: 'utf8' }))
}

const names = Object.keys(source).sort()

/** As programs load it: needs a build. */
describe('client: the package', () => {
  it('client: require: every export', () => {
    const code = `console.log(JSON.stringify(Object.keys(require('@cassiopeia/client')).sort()))`
    expect(load('commonjs', code)).toEqual(names)
  })

  it('client: import: every export', () => {
    const code = `import * as client from '@cassiopeia/client'
      console.log(JSON.stringify(Object.keys(client).sort()))`
    expect(load('module', code)).toEqual(names)
  })

  it('client: import and require in one program: the same classes', () => {
    const code = `import { createRequire } from 'node:module'
      import { CassioClient, CassioError } from '@cassiopeia/client'
      const required = createRequire(process.cwd() + '/')('@cassiopeia/client')
      console.log(JSON.stringify([
        required.CassioClient === CassioClient, required.CassioError === CassioError]))`
    expect(load('module', code)).toEqual([true, true])
  })

  it('client: loading it and making a client: keeps no process alive', () => {
    const code = `const { CassioClient } = require('@cassiopeia/client')
      new CassioClient()
      console.log('[]')`
    expect(load('commonjs', code)).toEqual([])
  })
})
