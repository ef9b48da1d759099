#!/usr/bin/env node
/** The simulation from the command line: `npm run simulate -- --help`. */
require('./load-typescript.js')
const { main } = require('./command.ts')

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error) => {
    console.error(error)
    process.exitCode = 2
  },
)
