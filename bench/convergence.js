/**
 * How long a node that was away takes to catch up, against real processes on loopback: three nodes, a
 * copy of everything on each; one is killed, keys are written at QUORUM, and it is started again. Once
 * hints bring what it has missed; once there are none, and replicas are compared. Run after
 * `npm run build`:
 *
 *   node bench/convergence.js [--writes 100000] [--value-bytes 100] [--json]
 *
 * Time runs from the node's first answer until it holds everything. A sample of the keys is looked up
 * in each replica (`explain`), so that nobody else can answer for it.
 */
const { spawn } = require('node:child_process')
const { mkdtempSync, rmSync } = require('node:fs')
const { createServer } = require('node:net')
const { cpus, tmpdir } = require('node:os')
const { join, resolve } = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const { CassioClient } = require('../packages/client')

const { values } = parseArgs({
  options: {
    writes: { type: 'string', default: '100000' },
    'value-bytes': { type: 'string', default: '100' },
    json: { type: 'boolean', default: false },
  },
})
const writes = atLeastOne('writes')
const valueBytes = atLeastOne('value-bytes')
const launcher = resolve(__dirname, '../packages/cli/bin/cassio.js')

const NODES = 3
const IN_FLIGHT = 256
const SAMPLE = Math.min(writes, 500)
const LOOK_EVERY_MS = 20
const LIMIT_MS = 1_800_000

/** What heals, and the flags that leave nothing else to do it. */
const WAYS = [
  { way: 'hints', flags: ['--anti-entropy', 'false'], heal: deliverHints },
  {
    way: 'comparing replicas',
    // Almost nothing is too young to be compared.
    flags: ['--anti-entropy', 'false', '--hint-bytes-max', '0', '--repair-lag-ms', '10'],
    heal: compareReplicas,
  },
]

async function main() {
  const results = []
  for (const way of WAYS) results.push(await measure(way))
  if (values.json) {
    console.log(JSON.stringify(results))
    return
  }
  console.log(
    `${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.version}; ${NODES} nodes, ` +
      `RF ${NODES}, ${writes} keys with ${valueBytes}-byte values missed by one of them`,
  )
  console.table(
    results.map(({ way, writesPerSecond, startMs, convergenceMs, cellsPerSecond, ...rest }) => ({
      'by means of': way,
      'writes/s without it': Math.round(writesPerSecond),
      'start to first answer, ms': Math.round(startMs),
      'until it holds all, ms': Math.round(convergenceMs),
      'cells/s': Math.round(cellsPerSecond),
      'MB of values/s': rest.mbPerSecond.toFixed(1),
    })),
  )
}

async function measure({ way, flags, heal }) {
  const directory = mkdtempSync(join(tmpdir(), 'cassio-bench-'))
  const members = (await freePorts(NODES)).map((port) => `127.0.0.1:${port}`)
  const start = (listen, i) =>
    spawn(
      process.execPath,
      [
        ...[launcher, 'node', '--listen', listen, '--members', members.join(',')],
        ...['--data', join(directory, String(i)), '--log-level', 'error', ...flags],
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    )
  const children = members.map(start)
  const client = new CassioClient({
    contactPoints: members,
    connectTimeoutMs: 60_000,
    timeoutMs: 60_000,
    backoffMaxMs: 50,
  })
  try {
    await client.connect()
    await until('all nodes see each other', () => seeEachOther(client, members))
    const victim = members[NODES - 1]
    await kill(children.pop(), 'SIGKILL')
    const keys = Array.from({ length: writes }, (_, i) => `key:${i}`)
    const value = 'v'.repeat(valueBytes)
    const writesPerSecond = await rate(keys, (key) => client.set(key, value))

    const startedMs = performance.now()
    children.push(start(victim, NODES - 1))
    await until('its first answer', () => client.status(victim, { timeoutMs: 1_000 }))
    const answeredMs = performance.now()
    const sample = keys.filter((_, i) => i % Math.floor(writes / SAMPLE) === 0)
    let healedMs
    await until('it holds everything', async () => {
      await heal(client, members)
      healedMs = performance.now()
      return holds(client, victim, sample)
    })
    const convergenceMs = healedMs - answeredMs
    const seconds = convergenceMs / 1_000
    return {
      way,
      writes,
      valueBytes,
      writesPerSecond,
      startMs: answeredMs - startedMs,
      convergenceMs,
      cellsPerSecond: writes / seconds,
      mbPerSecond: (writes * valueBytes) / 1e6 / seconds,
    }
  } finally {
    await Promise.all(children.map((child) => kill(child, 'SIGKILL')))
    await client.disconnect()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Resolves when nobody keeps hints any more. */
async function deliverHints(client, members) {
  await until('no hints', async () => {
    const statuses = await Promise.all(members.map((address) => client.status(address)))
    return statuses.every(({ hints }) => hints.bytes === 0)
  })
}

/** Resolves when all partitions were found equal. */
async function compareReplicas(client) {
  await until('all is verified', async () => {
    const { verified, total } = await client.repair()
    return verified === total
  })
}

/** Whether this node itself has the newest version of these keys. */
async function holds(client, address, keys) {
  let isNewest = true
  await rate(keys, async (key) => {
    const { votes, outcome } = await client.explain(key)
    const own = votes.find((vote) => vote.address === address)
    if (own.verdict !== 'newest' || outcome !== 'value') isNewest = false
  })
  return isNewest
}

async function seeEachOther(client, members) {
  const statuses = await Promise.all(members.map((address) => client.status(address)))
  return statuses.every(({ members: seen }) =>
    seen.every(({ state, connected }) => state === 'alive' && connected),
  )
}

/** Looks again and again; an error is one more "not yet". */
async function until(what, look) {
  const limitMs = performance.now() + LIMIT_MS
  for (;;) {
    const found = await look().catch(() => false)
    if (found) return
    if (performance.now() > limitMs) throw new Error(`not within ${LIMIT_MS} ms: ${what}`)
    await sleep(LOOK_EVERY_MS)
  }
}

/** Operations a second, with callers that each wait for their answer. */
async function rate(items, operation) {
  let next = 0
  const startedMs = performance.now()
  const caller = async () => {
    while (next < items.length) {
      const item = items[next]
      next += 1
      await operation(item)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller))
  return (items.length / (performance.now() - startedMs)) * 1_000
}

function kill(child, signal) {
  return new Promise((done) => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      done()
      return
    }
    child.once('exit', done)
    child.kill(signal)
  })
}

function atLeastOne(name) {
  const number = Number(values[name])
  if (Number.isInteger(number) && number >= 1) return number
  throw new RangeError(`--${name} is a whole number from 1 on, not ${values[name]}`)
}

async function freePorts(count) {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((done, fail) => {
          const server = createServer().once('error', fail)
          server.listen(0, '127.0.0.1', () => done(server))
        }),
    ),
  )
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  return ports
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
