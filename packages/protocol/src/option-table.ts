import { CassioError } from './errors'

/** One option: what may be given, and what holds when nothing is. */
export type OptionRow = { readonly doc: string } & (
  | { readonly type: 'text'; readonly default?: string; readonly optional?: boolean }
  | { readonly type: 'texts'; readonly default?: readonly string[] }
  | { readonly type: 'function'; readonly optional?: boolean }
  | { readonly type: 'object'; readonly optional?: boolean }
  | { readonly type: 'flag'; readonly default: boolean }
  | { readonly type: 'choice'; readonly default: string; readonly choices: readonly string[] }
  | {
      readonly type: 'integer'
      readonly default: number
      readonly min: number
      readonly max: number
    }
)

/** Every option of something, a row each. */
export type OptionTable<Options> = { readonly [Name in keyof Options]-?: OptionRow }

/**
 * Fills in the defaults and checks every value; unknown names are violations too.
 *
 * @param what Names the thing in the error, such as 'store'.
 * @param check Finds what one row alone cannot; it also sees values that have failed their row.
 * @throws CassioError CASSIO_CONFIG that names every violation at once.
 */
export function parseOptionTable<Options extends object, Settings>(
  table: OptionTable<Options>,
  options: Options,
  what: string,
  check?: (settings: Settings) => readonly string[],
): Settings {
  const rows = table as Readonly<Record<string, OptionRow>>
  const given = options as Readonly<Record<string, unknown>>
  const violations = Object.keys(given)
    .filter((name) => !Object.hasOwn(rows, name))
    .map((name) => `${name} is not an option of a ${what}`)
  const settings: Record<string, unknown> = {}
  for (const [name, row] of Object.entries(rows)) {
    const value = given[name] ?? ('default' in row ? row.default : undefined)
    const violation = violationOf(row, value)
    if (violation !== undefined) violations.push(`${name} ${violation}`)
    settings[name] = value
  }
  if (check !== undefined) violations.push(...check(settings as Settings))
  if (violations.length > 0) throw wrongOptions(what, violations)
  return settings as Settings
}

/** The error for options that are wrong together, in the words of `parseOptionTable`. */
export function wrongOptions(what: string, violations: readonly string[]): CassioError {
  return new CassioError('CASSIO_CONFIG', `wrong ${what} options: ${violations.join('; ')}`)
}

function violationOf(row: OptionRow, value: unknown): string | undefined {
  if (value === undefined && 'optional' in row && row.optional) return undefined
  switch (row.type) {
    case 'text':
      return typeof value === 'string' && value !== '' ? undefined : 'must be a non-empty text'
    case 'texts':
      return isTexts(value) ? undefined : 'must be a list of one or more non-empty texts'
    case 'function':
      return typeof value === 'function' ? undefined : 'must be a function'
    case 'object':
      return typeof value === 'object' && value !== null ? undefined : 'must be an object'
    case 'flag':
      return typeof value === 'boolean' ? undefined : 'must be true or false'
    case 'choice':
      return row.choices.includes(value as string)
        ? undefined
        : `must be one of ${row.choices.join(', ')}, not ${shown(value)}`
    case 'integer':
      return Number.isInteger(value) && Number(value) >= row.min && Number(value) <= row.max
        ? undefined
        : `must be an integer from ${row.min} to ${row.max}, not ${shown(value)}`
  }
}

/** Objects without a prototype, and the like, have no text. */
function shown(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}

function isTexts(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((each) => typeof each === 'string' && each !== '')
  )
}
