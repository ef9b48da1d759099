import { renderValue, toJson } from '../render/value'
import { textOrBytes } from '../shell/parse'
import type { ScanRequest } from './client'
import type { Verb, VerbCall } from './verb'

/** What the server puts into one page at most. */
const PAGE_SIZE_MAX = 10_000

export const scan: Verb = {
  name: 'scan',
  summary: 'print the entries whose keys begin with a prefix, or all',
  operands: [{ name: 'PREFIX', optional: true }],
  options: [
    { name: 'limit', value: 'N', summary: 'stop after so many entries' },
    { name: 'keys', summary: 'print the keys only' },
    { name: 'page-size', value: 'N', summary: `entries to fetch at a time, 1 to ${PAGE_SIZE_MAX}` },
  ],
  examples: ['scan', 'scan user: --limit 10', 'scan user: --keys'],
  notes:
    'One entry a line: key, tab, value. The order is that of the placement (partition, then key), ' +
    'not of the alphabet. Writes made during a scan may or may not be seen.',
  takesConsistency: true,
  async run(call) {
    const { input, print } = call
    const limit = input.wholeNumber('limit', 1, Number.MAX_SAFE_INTEGER) ?? Infinity
    const options = scanOptions(call, limit)
    const client = await call.connect()
    let count = 0
    if (input.flag('keys')) {
      for await (const bytes of client.keys(options)) {
        const key = textOrBytes(bytes)
        await print(renderValue(key), { key: toJson(key) })
        if (++count >= limit) break
      }
      return 'found'
    }
    for await (const { key: bytes, value } of client.scan(options)) {
      const key = textOrBytes(bytes)
      await print(`${renderValue(key)}\t${renderValue(value)}`, {
        key: toJson(key),
        value: toJson(value),
      })
      if (++count >= limit) break
    }
    return 'found'
  },
}

function scanOptions({ input, request }: VerbCall, limit: number): ScanRequest {
  const prefix = input.operands[0]
  const asked = input.wholeNumber('page-size', 1, PAGE_SIZE_MAX)
  // Nothing is fetched beyond the limit.
  const pageSize = limit < (asked ?? PAGE_SIZE_MAX) ? limit : asked
  return {
    ...request,
    keyEncoding: 'buffer',
    ...(prefix === undefined ? {} : { prefix }),
    ...(pageSize === undefined ? {} : { pageSize }),
  }
}
