/**
 * Our storage engine beside LevelDB and LMDB. `node bench/storage.js --help` tells how to run it,
 * bench/README.md what is measured. Runs over packages/<name>/dist: build first.
 *
 * `storage/settings` reads the command line, `runner` forks a `driver` for each of the `scenarios`
 * and `stores`, `summary` makes medians, ratios and verdicts of `figures`, `report` renders them.
 */
const { execFileSync } = require('node:child_process')
const { mkdirSync, writeFileSync } = require('node:fs')
const { dirname, join, resolve, sep } = require('node:path')
const { describeMachine } = require('./storage/machine')
const { render } = require('./storage/report')
const { Runner } = require('./storage/runner')
const { parseSettings } = require('./storage/settings')
const { ratiosOf, summarize, verdictsOf } = require('./storage/summary')

async function main() {
  const settings = parseSettings(process.argv.slice(2))
  if (settings.help !== undefined) {
    process.stdout.write(settings.help)
    return
  }
  const machine = describeMachine(settings.directory)
  const runner = new Runner(settings, (line) => process.stderr.write(`${line}\n`))
  for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
    process.once(signal, () => {
      runner.clean()
      process.exit(code)
    })
  }
  const { stores, series, failures } = await runner.run()
  const figures = summarize(series)
  const ratios = ratiosOf(figures)
  const verdicts = verdictsOf(figures)
  const results = { machine, settings, stores, figures, ratios, verdicts, failures }
  const json = `${JSON.stringify(results, null, 2)}\n`
  const markdown = render(results)
  if (settings.out !== undefined) write(settings.out, markdown, json)
  process.stdout.write(settings.json ? json : markdown)
  if (failures.length > 0) process.exitCode = 1
}

function write(path, markdown, json) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.md`, markdown)
  writeFileSync(`${path}.json`, json)
  const root = resolve(__dirname, '..')
  if (!path.startsWith(root + sep)) return
  try {
    // Results that are kept here are checked like all files: arrays on one line, say.
    const biome = join(root, 'node_modules/.bin/biome')
    execFileSync(biome, ['format', '--write', `${path}.json`], { stdio: 'pipe' })
  } catch (error) {
    process.stderr.write(
      `${path}.json is written, but not formatted: ${error.code ?? error.status}\n`,
    )
  }
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
