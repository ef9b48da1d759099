/** Durations and sizes as people write them. Pure. */

const UNIT_MS = Object.freeze({ ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 })
type Unit = keyof typeof UNIT_MS

/**
 * Reads `500ms`, `60s`, `1h30m`. A unit is always needed: a bare number would leave a guess.
 * @returns whole milliseconds, 1 or more. @throws RangeError saying what was expected.
 */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
  const ms = parts.reduce((sum, part) => sum + Number(part[1]) * UNIT_MS[part[2] as Unit], 0)
  const isWhole = parts.map((part) => part[0]).join('') === text && text !== ''
  if (isWhole && Math.round(ms) >= 1 && Number.isSafeInteger(Math.round(ms))) return Math.round(ms)
  throw new RangeError(
    `not a duration: ${JSON.stringify(text)}; expected a number and a unit, such as 500ms, 60s, ` +
      '1h30m or 7d',
  )
}

/** `0.4ms`, `12ms`, `1.5s`, `2m 5s`, `3h 20m`, `5d 1h`: two units at most. */
export function formatDuration(ms: number): string {
  if (ms < 10) return `${trimZeros(ms.toFixed(1))}ms`
  if (ms < 1_000) return `${Math.round(ms)}ms`
  if (ms < UNIT_MS.m) return `${trimZeros((Math.floor(ms / 100) / 10).toFixed(1))}s`
  if (ms < UNIT_MS.h) return twoUnits(ms, 'm', 's')
  if (ms < UNIT_MS.d) return twoUnits(ms, 'h', 'm')
  return twoUnits(ms, 'd', 'h')
}

function twoUnits(ms: number, large: Unit, small: Unit): string {
  const whole = Math.floor(ms / UNIT_MS[large])
  const rest = Math.floor((ms - whole * UNIT_MS[large]) / UNIT_MS[small])
  return rest === 0 ? `${whole}${large}` : `${whole}${large} ${rest}${small}`
}

const BYTE_UNITS = Object.freeze({ '': 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 })

/** Reads `1048576`, `64KiB`, `1.5GiB`. @throws RangeError saying what was expected. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB)?$/.exec(text)
  const bytes = Number(match?.[1]) * BYTE_UNITS[(match?.[2] ?? '') as keyof typeof BYTE_UNITS]
  if (Number.isSafeInteger(bytes)) return bytes
  throw new RangeError(
    `not a size: ${JSON.stringify(text)}; expected bytes, such as 1048576, 64KiB, 16MiB or 1GiB`,
  )
}

/** `512 B`, `1.5 KiB`, `3.2 GiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 2 ** 10) return `${bytes} B`
  const unit = (['GiB', 'MiB', 'KiB'] as const).find((each) => bytes >= BYTE_UNITS[each])!
  return `${trimZeros((bytes / BYTE_UNITS[unit]).toFixed(1))} ${unit}`
}

function trimZeros(text: string): string {
  return text.endsWith('.0') ? text.slice(0, -2) : text
}
