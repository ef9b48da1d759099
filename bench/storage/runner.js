const { fork } = require('node:child_process')
const { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } = require('node:fs')
const { join } = require('node:path')
const { performance } = require('node:perf_hooks')
const { entryBytes } = require('./scenarios/load')
const { SCENARIOS } = require('./scenarios')

const DRIVER = join(__dirname, 'driver.js')

/**
 * Runs the scenarios, one process at a time: for each size of value and each round, each scenario
 * with one store after the other. Which store comes first changes from round to round.
 */
class Runner {
  constructor(settings, say) {
    this.settings = settings
    this.say = say
    this.results = { stores: {}, series: [], failures: [] }
    this.child = undefined
    this.directory = undefined
    this.tasksDone = 0
  }

  /** @returns what stores there are, the series of figures, and what failed. */
  async run() {
    mkdirSync(this.settings.directory, { recursive: true })
    this.directory = mkdtempSync(join(this.settings.directory, 'cassio-bench-'))
    const built = newestMs(this.settings.dist)
    try {
      for (const store of this.settings.stores) await this.probe(store)
      for (const valueBytes of this.settings.values) await this.measure(valueBytes)
      if (!this.settings.small && newestMs(this.settings.dist) !== built) {
        const message = 'built anew meanwhile: the figures are of several builds'
        this.results.failures.push({ store: 'ours', scenario: 'all', phase: 'run', message })
      }
      return this.results
    } finally {
      this.clean()
    }
  }

  /** Ends the process under way and removes the data: also for use when the process is to end. */
  clean() {
    this.child?.kill('SIGKILL')
    if (this.directory !== undefined) remove(this.directory)
  }

  async probe(store) {
    const { described } = await this.inFreshDirectory({ phase: 'probe', store, scenario: 'probe' })
    if (described !== undefined) this.results.stores[store] = described
  }

  async measure(valueBytes) {
    const wanted = SCENARIOS.filter(({ groups }) =>
      groups.some((group) => this.settings.groups.includes(group)),
    )
    const kept = new Map()
    for (const scenario of wanted.filter(({ prepare }) => prepare !== undefined)) {
      for (const store of this.storesOf(scenario)) {
        const directory = this.newDirectory(`${scenario.name}-${store}-${valueBytes}`)
        const task = { scenario: scenario.name, phase: 'prepare', store, valueBytes, directory }
        const { failed } = await this.perform(task)
        if (!failed) kept.set(`${scenario.name} ${store}`, directory)
      }
    }
    for (let round = 0; round < this.settings.rounds; round += 1) {
      for (const scenario of wanted) {
        if (scenario.once && round > 0) continue
        const stores = this.storesOf(scenario)
        for (let turn = 0; turn < stores.length; turn += 1) {
          const store = stores[(turn + round) % stores.length]
          const task = { scenario: scenario.name, phase: 'run', store, valueBytes, round }
          if (scenario.prepare === undefined) {
            await this.inFreshDirectory(task)
            continue
          }
          const directory = kept.get(`${scenario.name} ${store}`)
          if (directory !== undefined) await this.perform({ ...task, directory })
        }
      }
    }
    for (const directory of kept.values()) remove(directory)
  }

  storesOf({ stores }) {
    return Object.keys(this.results.stores).filter((name) => stores?.includes(name) ?? true)
  }

  newDirectory(name) {
    const directory = join(this.directory, name)
    mkdirSync(directory)
    return directory
  }

  async inFreshDirectory(task) {
    const directory = this.newDirectory('fresh')
    try {
      return await this.perform({ ...task, directory })
    } finally {
      remove(directory)
    }
  }

  /** Forks a process for the task, and takes down what it reports. */
  async perform(task) {
    const { scenario, phase, store, valueBytes, round = 0 } = task
    const { groups, dist, childMsMax } = this.settings
    const startedMs = performance.now()
    const outcome = await this.inChild(
      { ...task, groups, dist, seed: 1_000 * (round + 1), sizes: this.sizesFor(valueBytes) },
      childMsMax,
    )
    for (const { figure, value } of outcome.figures) this.add(valueBytes, figure, store, value)
    this.tasksDone += 1
    const what = [
      phase === 'probe' ? 'is it there?' : `${valueBytes} B, ${scenario}`,
      phase === 'prepare' ? 'making its data' : '',
      phase === 'run' ? `round ${round + 1} of ${this.settings.rounds}` : '',
    ].filter((part) => part !== '')
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
    const failed = outcome.error !== undefined
    this.say(`${String(this.tasksDone).padStart(3)}  ${store}: ${what.join(', ')}: ${seconds} s`)
    if (failed) {
      this.say(`     FAILED: ${outcome.error}`)
      this.results.failures.push({ store, scenario, phase, valueBytes, message: outcome.error })
    }
    return { ...outcome, failed }
  }

  sizesFor(valueBytes = 1) {
    return { ...this.settings, valueBytes, keys: keysFor(this.settings, valueBytes) }
  }

  inChild(task, msMax) {
    const outcome = { figures: [], error: undefined, described: undefined }
    return new Promise((resolve) => {
      const child = fork(DRIVER, [], {
        execArgv: ['--expose-gc'],
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      })
      this.child = child
      let done = false
      const timer = setTimeout(() => {
        outcome.error = `killed, as it did not end within ${msMax / 1_000} s`
        child.kill('SIGKILL')
      }, msMax)
      child.on('message', (message) => {
        if (message.figure !== undefined) outcome.figures.push(message)
        outcome.described = message.described ?? outcome.described
        outcome.error = message.error ?? outcome.error
        done = message.done ?? done
      })
      child.once('error', (error) => {
        outcome.error ??= String(error)
      })
      child.once('close', (code, signal) => {
        clearTimeout(timer)
        this.child = undefined
        if (!done) outcome.error ??= `its process ended: ${signal ?? `exit code ${code}`}`
        resolve(outcome)
      })
      child.send(task, () => {})
    })
  }

  add(valueBytes, figure, store, value) {
    const { series } = this.results
    let one = series.find((each) => each.valueBytes === valueBytes && each.figure === figure)
    if (one === undefined) {
      one = { valueBytes, figure, values: {} }
      series.push(one)
    }
    one.values[store] ??= []
    one.values[store].push(value)
  }
}

/** As many as asked for, or as fit in the bound on the data. */
function keysFor({ keys, dataBytesMax }, valueBytes) {
  return Math.min(keys, Math.floor(dataBytesMax / entryBytes(valueBytes)))
}

/** When a file of the build was last written; 0 where there is none. */
function newestMs(dist) {
  if (!existsSync(dist)) return 0
  const times = readdirSync(dist, { recursive: true }).map(
    (name) => statSync(join(dist, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
  )
  return Math.max(0, ...times)
}

// A process that was just killed may still be making files.
function remove(directory) {
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
}

module.exports = { Runner, keysFor }
