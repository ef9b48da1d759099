/**
 * Lets Node run the TypeScript sources as they are, as jest does: what the simulation runs is what
 * stands in the files, built or not, and every process of it has each class once, so that a planted bug
 * is planted for all.
 */
const { readFileSync } = require('node:fs')
const Module = require('node:module')
const { join } = require('node:path')
const { transformSync } = require('@swc/core')

const PACKAGES = join(__dirname, '../../packages')
const OURS = /^@cassiopeia\/([a-z]+)$/

process.setSourceMapsEnabled(true)

Module._extensions['.ts'] = (module, filename) => {
  const { code } = transformSync(readFileSync(filename, 'utf8'), {
    filename,
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'commonjs' },
    sourceMaps: 'inline',
  })
  module._compile(code, filename)
}

const resolveFilename = Module._resolveFilename
Module._resolveFilename = (request, ...rest) => {
  const ours = OURS.exec(request)
  const wanted = ours === null ? request : join(PACKAGES, ours[1], 'src/index.ts')
  return resolveFilename.call(Module, wanted, ...rest)
}
