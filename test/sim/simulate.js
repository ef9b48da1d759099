#!/usr/bin/env node
/**
 * The simulation from the command line, over the built packages (`npm run build` first):
 *
 *   npm run simulate -- --seeds 1..1000 [--minutes N]
 *   npm run simulate -- --seed N [--trace]
 */
const { readFileSync } = require('node:fs')
const Module = require('node:module')
const { parseArgs } = require('node:util')
const { transformSync } = require('@swc/core')

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

const { main } = require('./command.ts')

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    minutes: { type: 'string' },
    trace: { type: 'boolean' },
  },
})

main(values).then(
  (failures) => {
    process.exitCode = failures > 0 ? 1 : 0
  },
  (error) => {
    console.error(error)
    process.exitCode = 2
  },
)
