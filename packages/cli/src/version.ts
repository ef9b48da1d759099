import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The version in package.json, which lies beside `dist` and `src`. */
export function readVersion(): string {
  const text = readFileSync(join(__dirname, '..', 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
