const { execFileSync } = require('node:child_process')
const { statfsSync } = require('node:fs')
const os = require('node:os')

/** Numbers by which Linux knows file systems: the ones that such data may lie on. */
const FILE_SYSTEMS = {
  61267: 'ext4',
  16914836: 'tmpfs (memory: durable puts mean nothing here)',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  2035054128: 'overlayfs',
}

/** What figures depend on. */
function describeMachine(directory) {
  return {
    at: new Date().toISOString(),
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown processor',
    cores: os.cpus().length,
    memoryGib: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    fileSystem: fileSystemOf(directory),
    load: os.loadavg()[0].toFixed(2),
    commit: commit(),
  }
}

function fileSystemOf(directory) {
  try {
    const { type } = statfsSync(directory)
    return FILE_SYSTEMS[type] ?? `file system type ${type}`
  } catch {
    return 'unknown file system'
  }
}

function commit() {
  const git = (...args) =>
    execFileSync('git', args, { cwd: __dirname, encoding: 'utf8', stdio: 'pipe' }).trim()
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') !== ''
    return `commit ${git('rev-parse', '--short', 'HEAD')}${changed ? ' and changes' : ''}`
  } catch {
    return 'unknown commit'
  }
}

module.exports = { describeMachine }
