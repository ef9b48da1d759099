import { config } from './secret'

/** @throws CassioError CASSIO_CONFIG naming the flag and what is allowed. */
export function readWholeNumber(flag: string, text: string, min: number, max: number): number {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (number >= min && number <= max) return number
  throw config(`${flag} is a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`)
}
