const { AIMS, AIM_VALUE_BYTES, FIGURES } = require('./figures')

/** Medians and spreads of the series, in the order of the figures. */
function summarize(series) {
  const place = (one) => FIGURES.findIndex(({ id }) => id === one.figure)
  for (const one of series) {
    if (place(one) < 0) throw new Error(`figures.js does not know '${one.figure}'`)
  }
  return series
    .map((one) => ({ ...one, stores: mapValues(one.values, spreadOf) }))
    .sort((a, b) => a.valueBytes - b.valueBytes || place(a) - place(b))
    .map(({ valueBytes, figure, stores, values }) => {
      const { title, unit, less = false } = FIGURES.find(({ id }) => id === figure)
      return { valueBytes, figure, title, unit, less, stores, values }
    })
}

/** Our medians over each peer's: above 1 ours is more, whether or not more is better. */
function ratiosOf(summary) {
  return summary.flatMap(({ valueBytes, figure, title, less, stores }) => {
    const { against = figure, alone = false } = FIGURES.find(({ id }) => id === figure)
    if (alone || stores.ours === undefined) return []
    const peers = find(summary, valueBytes, against)?.stores ?? {}
    const over = {}
    for (const [peer, { median }] of Object.entries(peers)) {
      if (peer !== 'ours') over[peer] = stores.ours.median / median
    }
    return Object.keys(over).length === 0 ? [] : [{ valueBytes, figure, title, less, over }]
  })
}

/** Each aim that was measured, with what came of it. */
function verdictsOf(summary) {
  return AIMS.flatMap(({ figure, than, atLeast, atMost }) => {
    const { title, unit, against = figure } = FIGURES.find(({ id }) => id === figure)
    const ours = find(summary, AIM_VALUE_BYTES, figure)?.stores.ours?.median
    if (ours === undefined) return []
    let measured = ours
    let aim = atLeast === undefined ? `<= ${atMost} ${unit}` : `>= ${atLeast} ${unit}`
    if (than !== undefined) {
      const other = find(summary, AIM_VALUE_BYTES, than.figure ?? against)
      const base = other?.stores[than.store]?.median
      if (base === undefined) return []
      measured = ours / base
      aim = `>= ${atLeast} x ${than.figure === undefined ? than.store : `our ${other.title}`}`
    }
    const met = atLeast === undefined ? measured <= atMost : measured >= atLeast
    return [{ figure, title, aim, measured, met }]
  })
}

function find(summary, valueBytes, figure) {
  return summary.find((one) => one.valueBytes === valueBytes && one.figure === figure)
}

function spreadOf(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median =
    sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  return { median, min: sorted[0], max: sorted.at(-1) }
}

function mapValues(object, map) {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, map(value)]))
}

module.exports = { ratiosOf, summarize, verdictsOf }
