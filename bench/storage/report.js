const { AIM_VALUE_BYTES } = require('./figures')
const { keysFor } = require('./runner')

/** The results as Markdown, which reads as well on a terminal. */
function render({ machine, settings, stores, figures, ratios, verdicts, failures }) {
  const names = Object.keys(stores)
  const peers = names.filter((name) => name !== 'ours')
  const parts = [heading(machine, settings, stores)]
  for (const valueBytes of settings.values) {
    const rows = figures.filter((one) => one.valueBytes === valueBytes)
    const over = ratios.filter((one) => one.valueBytes === valueBytes)
    parts.push(`## Values of ${whole(valueBytes)} bytes`, sizesText(settings, valueBytes))
    parts.push(
      table(
        ['figure (median; least to most)', ...names],
        rows.map(({ title, unit, less, stores: spreads }) => [
          `${title}${less ? ', less is better' : ''}`,
          ...names.map((name) => cell(spreads[name], unit)),
        ]),
      ),
    )
    if (over.length === 0) continue
    parts.push(
      `### Ratios, values of ${whole(valueBytes)} bytes`,
      table(
        ['ours over the peer', ...peers, 'our aim'],
        over.map(({ figure, title, less, over: each }) => [
          `${title}${less ? ', less is better' : ''}`,
          ...peers.map((peer) => (each[peer] === undefined ? '–' : ratio(each[peer]))),
          valueBytes === AIM_VALUE_BYTES ? aimsText(verdicts, figure) : '',
        ]),
      ),
    )
  }
  if (verdicts.length > 0) {
    parts.push(
      `## Our aims, values of ${AIM_VALUE_BYTES} bytes`,
      table(
        ['figure', 'aim', 'measured', ''],
        verdicts.map(({ title, aim, measured, met }) => [title, aim, ratio(measured), word(met)]),
      ),
    )
  }
  if (failures.length > 0) {
    parts.push(
      '## Failures',
      failures
        .map(({ store, scenario, phase, valueBytes, message }) => {
          const size = valueBytes === undefined ? '' : `, values of ${valueBytes} bytes`
          return `- ${store}, ${scenario} (${phase}${size}): ${message.split('\n')[0]}`
        })
        .join('\n'),
    )
  }
  return `${parts.join('\n\n')}\n`
}

function heading(machine, settings, stores) {
  const lines = [
    '# Storage benchmark',
    '',
    `${machine.cores} x ${machine.cpu}, ${machine.memoryGib} GiB, ${machine.system}, ` +
      `Node ${machine.node}, ${machine.fileSystem}; load ${machine.load} at the start; ` +
      `${machine.at}, ${machine.commit}`,
    '',
    `${settings.rounds} round${settings.rounds === 1 ? '' : 's'}, the stores in turn, each in its ` +
      `own process (4 threads of libuv's pool); ${settings.inFlight} puts in flight.`,
  ]
  if (settings.small) lines.push('', 'A small run: it shows that all of it runs, nothing else.')
  lines.push('')
  for (const [name, { version, settings: how }] of Object.entries(stores)) {
    lines.push(`- ${name} ${version}: ${how}`)
  }
  return lines.join('\n')
}

function sizesText(settings, valueBytes) {
  const keys = keysFor(settings, valueBytes)
  const gigabytes = whole(settings.dataBytesMax / 1e9)
  return (
    `${whole(keys)} keys of 18 bytes` +
    (keys < settings.keys ? ` (not ${whole(settings.keys)}: ${gigabytes} GB at most)` : '') +
    `; \`open\` with about ${number(settings.openBytes / 1e6)} MB, ` +
    `\`amplification\` with at most ${number(settings.amplificationBytes / 1e6)} MB (1 round).`
  )
}

function aimsText(verdicts, figure) {
  return verdicts
    .filter((verdict) => verdict.figure === figure)
    .map(({ aim, met }) => `${aim}: ${word(met)}`)
    .join('; ')
}

function cell(spread, unit) {
  if (spread === undefined) return '–'
  const { median, min, max } = spread
  const shown = `${number(median)}${unit.startsWith('/') ? '' : ' '}${unit}`.trim()
  return min === max ? shown : `${shown} (${number(min)} to ${number(max)})`
}

function table(head, rows) {
  const widths = head.map((title, i) =>
    Math.max(...[title, ...rows.map((row) => row[i])].map(size)),
  )
  const line = (cells) => {
    const padded = cells.map((text, i) =>
      i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]),
    )
    return `| ${padded.join(' | ')} |`
  }
  const rule = widths.map((width, i) =>
    i === 0 ? '-'.repeat(width) : `${'-'.repeat(Math.max(1, width - 1))}:`,
  )
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}

const size = (text) => text.length
const word = (met) => (met ? 'met' : 'not met')
const whole = (value) => Math.round(value).toLocaleString('en')
const ratio = (value) => number(value)

/** Three digits that count, and no more behind the point than they need. */
function number(value) {
  if (Math.abs(value) >= 100) return whole(value)
  return String(Number(value.toPrecision(3)))
}

module.exports = { render }
