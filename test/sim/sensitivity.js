#!/usr/bin/env node
/** Whether the rig finds planted bugs, from the command line: `npm run simulate:sensitivity -- --help`. */
require('./load-typescript.js')
const { main } = require('./sensitivity.ts')

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error) => {
    console.error(error)
    process.exitCode = 2
  },
)
