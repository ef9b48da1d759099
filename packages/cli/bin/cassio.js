#!/usr/bin/env node

const { existsSync } = require('node:fs')
const { join } = require('node:path')

const built = join(__dirname, '..', 'dist', 'main.js')

if (existsSync(built)) {
  require(built).runProcess()
} else {
  process.stderr.write('cassio has not been built yet; run: npm install && npm run build\n')
  process.exitCode = 2
}
