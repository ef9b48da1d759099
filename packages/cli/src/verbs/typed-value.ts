import type { Data } from '../shell/parse'
import { invalid } from './input'

export const VALUE_TYPES = Object.freeze(['text', 'json', 'bytes', 'base64'] as const)
export type ValueType = (typeof VALUE_TYPES)[number]

/**
 * The value that `data` stands for. Pure.
 * @param type Without it text stays text and bytes stay bytes.
 * @throws CassioError CASSIO_INVALID when the data is not of that type.
 */
export function readValue(data: Data, type: ValueType | undefined): unknown {
  if (type === undefined) return data
  if (type === 'bytes') return Buffer.from(data)
  const text = asText(data, type)
  if (type === 'text') return text
  return type === 'json' ? readJson(text) : readBase64(text)
}

function asText(data: Data, type: ValueType): string {
  if (typeof data === 'string') return data
  const text = data.toString('utf8')
  if (Buffer.from(text, 'utf8').equals(data)) return text
  throw invalid(`the value is not UTF-8, so it cannot be read as ${type}; use --as bytes`)
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const reason = (error as Error).message
    throw invalid(
      `the value is not JSON: ${reason}; in the shell put it in single quotes, such as '{"a":1}'`,
    )
  }
}

function readBase64(text: string): Buffer {
  if (/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    return Buffer.from(text, 'base64')
  }
  throw invalid('the value is not base64: groups of four of A-Z a-z 0-9 + /, padded with =')
}
