import { formatBytes, formatDuration, parseBytes, parseDuration } from '../src/units'

describe('units: durations', () => {
  test.each<[string, number]>([
    ['1ms', 1],
    ['500ms', 500],
    ['60s', 60_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
  ])('%s: is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  test.each(['', '60', 's', '60 s', '-5s', '0s', '0.1ms', '1h x', '1y', '9999999999999d'])(
    '%j: is refused',
    (text) => {
      expect(() => parseDuration(text)).toThrow('not a duration')
    },
  )

  test.each<[number, string]>([
    [0, '0ms'],
    [0.44, '0.4ms'],
    [1, '1ms'],
    [12.3, '12ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [59_990, '59.9s'],
    [60_000, '1m'],
    [125_000, '2m 5s'],
    [3_600_000, '1h'],
    [12_000_000, '3h 20m'],
    [90_000_000, '1d 1h'],
  ])('%d ms: is shown as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })
})

describe('units: sizes', () => {
  test.each<[string, number]>([
    ['0', 0],
    ['1048576', 1_048_576],
    ['512B', 512],
    ['64KiB', 65_536],
    ['1.5 MiB', 1_572_864],
    ['2GiB', 2_147_483_648],
  ])('%s: is %d bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes)
  })

  test.each(['', '-1', 'MiB', '1MB', '1 KB', '0.3B', '1e6'])('%j: is refused', (text) => {
    expect(() => parseBytes(text)).toThrow('not a size')
  })

  test.each<[number, string]>([
    [0, '0 B'],
    [1_023, '1023 B'],
    [1_024, '1 KiB'],
    [1_536, '1.5 KiB'],
    [3 * 2 ** 30, '3 GiB'],
  ])('%d bytes: are shown as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })
})
