/**
 * Sets and gets a second through the SDK, against real processes on loopback, and the time from
 * starting the processes to the first answer. Run after `npm run build`:
 *
 *   node bench/sdk.js [--small] [--nodes 1,3] [--in-flight 256] [--sync group]
 *
 * Each figure is the median of the rounds, with the spread behind it. Settings are the defaults,
 * except for those named on the command line.
 */
const { spawn, execFileSync } = require('node:child_process')
const { mkdtempSync, rmSync } = require('node:fs')
const { createServer } = require('node:net')
const { cpus, tmpdir } = require('node:os')
const { join, resolve } = require('node:path')
const { parseArgs } = require('node:util')
const { CassioClient } = require('../packages/client')

const { values } = parseArgs({
  options: {
    small: { type: 'boolean', default: false },
    nodes: { type: 'string', default: '1,3' },
    'in-flight': { type: 'string', default: '256' },
    sync: { type: 'string', default: 'group' },
    json: { type: 'boolean', default: false },
  },
})
const inFlight = Number(values['in-flight'])
const operations = values.small ? 2_000 : 200_000
const rounds = values.small ? 1 : 5
const valueBytes = 100
const launcher = resolve(__dirname, '../packages/cli/bin/cassio.js')

async function main() {
  const results = []
  for (const nodes of values.nodes.split(',').map(Number)) results.push(await measure(nodes))
  if (values.json) {
    console.log(JSON.stringify(results))
    return
  }
  console.log(
    `${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.version}; ` +
      `${inFlight} in flight, ${valueBytes}-byte values, QUORUM, sync ${values.sync}, ` +
      `${rounds} rounds of ${operations}`,
  )
  console.table(
    results.map((each) => ({
      nodes: each.nodes,
      'start to first answer, ms': each.startMs.toFixed(0),
      'sets/s': describe(each.sets),
      'gets/s': describe(each.gets),
      'resident memory a node, MB': each.residentMb.map((mb) => mb.toFixed(0)).join(', '),
    })),
  )
}

async function measure(nodes) {
  const directory = mkdtempSync(join(tmpdir(), 'cassio-bench-'))
  const ports = await freePorts(nodes)
  const members = ports.map((port) => `127.0.0.1:${port}`)
  const startedMs = performance.now()
  const children = members.map((listen, i) =>
    spawn(
      process.execPath,
      [
        ...[launcher, 'node', '--listen', listen, '--members', members.join(',')],
        ...['--data', join(directory, String(i)), '--sync', values.sync, '--log-level', 'error'],
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    ),
  )
  const client = new CassioClient({ contactPoints: members, timeoutMs: 60_000 })
  try {
    await client.connect()
    await client.get('first')
    const startMs = performance.now() - startedMs
    const value = 'v'.repeat(valueBytes)
    const sets = []
    const gets = []
    for (let round = 0; round < rounds; round += 1) {
      sets.push(await rate((i) => client.set(`key:${i}`, value)))
      gets.push(await rate((i) => client.get(`key:${i}`)))
    }
    const residentMb = children.map((child) => residentKib(child.pid) / 1024)
    return { nodes, startMs, sets, gets, residentMb }
  } finally {
    await client.disconnect()
    await Promise.all(children.map(stop))
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Operations a second, with `inFlight` callers that each wait for their answer. */
async function rate(operation) {
  let next = 0
  const startedMs = performance.now()
  const caller = async () => {
    while (next < operations) {
      const i = next
      next += 1
      await operation(i)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
  return (operations / (performance.now() - startedMs)) * 1_000
}

function describe(figures) {
  const sorted = [...figures].sort((a, b) => a - b)
  const show = (figure) => Math.round(figure).toLocaleString('en')
  const median = sorted[Math.floor(sorted.length / 2)]
  return `${show(median)} (${show(sorted[0])} to ${show(sorted.at(-1))})`
}

function stop(child) {
  return new Promise((done) => {
    if (child.exitCode !== null) {
      done()
      return
    }
    child.once('exit', done)
    child.kill('SIGTERM')
  })
}

function residentKib(pid) {
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' }))
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
