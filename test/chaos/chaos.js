#!/usr/bin/env node
/**
 * Chaos with real processes: `npm run chaos -- --help`. The nodes run as built; rig and clients run from
 * the sources.
 *
 * As root on Linux it goes into a mount namespace of its own first: what it mounts for a node is seen
 * by nobody else, and is gone when it is, however it ends.
 */
const { spawn, spawnSync } = require('node:child_process')
const { existsSync } = require('node:fs')
const { join, resolve } = require('node:path')

const INSIDE = 'CHAOS_NAMESPACE'
const UNSHARE = ['unshare', '--mount', '--propagation', 'private']
const BUILT = resolve(__dirname, '../../packages/cli/dist/main.js')

if (!existsSync(BUILT)) {
  console.error('the nodes run as built: npm run build')
  process.exitCode = 2
} else if (process.env[INSIDE] === undefined && canUnshare()) startInside()
else run()

function canUnshare() {
  if (process.platform !== 'linux' || process.getuid() !== 0) return false
  return spawnSync(UNSHARE[0], [...UNSHARE.slice(1), 'true'], { stdio: 'ignore' }).status === 0
}

function startInside() {
  const script = [process.execPath, join(__dirname, 'chaos.js'), ...process.argv.slice(2)]
  const child = spawn(UNSHARE[0], [...UNSHARE.slice(1), ...script], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [INSIDE]: '1' },
  })
  // A terminal sends Ctrl-C to both; whoever signals this process alone means the other as well.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  // And when this process is killed, the other notices that the channel has closed.
  process.on('disconnect', () => {
    if (child.connected) child.disconnect()
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 2 : 1)
    if (process.connected) process.disconnect()
  })
}

function run() {
  require('../sim/load-typescript.js')
  const { main } = require('./command.ts')
  main(process.argv.slice(2)).then(
    // The channel to whoever started this would keep it alive.
    (code) => process.exit(code),
    (error) => {
      console.error(error)
      process.exit(2)
    },
  )
}
