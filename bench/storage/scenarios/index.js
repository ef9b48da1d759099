/**
 * What is measured. A scenario runs in a process of its own, for one store: `run` reports figures
 * (listed in figures.js). `groups` are the words that `--only` knows it by; `stores` says which
 * stores can do it (all without it); `prepare` runs once, in a process before, and its directory is
 * kept for all rounds; `once` keeps a long one to a single round.
 */
const SCENARIOS = [
  require('./put'),
  require('./batch'),
  require('./durable'),
  require('./get-memory'),
  require('./read'),
  require('./open'),
  require('./recovery'),
  require('./amplification'),
  require('./stall'),
  require('./filter'),
]

const GROUPS = SCENARIOS.flatMap(({ groups }) => groups)

module.exports = { GROUPS, SCENARIOS }
