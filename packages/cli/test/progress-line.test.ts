import { PassThrough } from 'node:stream'
import { ProgressLine } from '../src/progress-line'

function progressLine(terminal: { isTTY?: boolean; columns?: number }) {
  const stream = new PassThrough()
  let text = ''
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const time = { nowMs: 1_000_000 }
  const line = new ProgressLine(Object.assign(stream, terminal), () => time.nowMs)
  return { line, time, written: () => text }
}

describe('progress line: on a terminal', () => {
  test('each text: stands in the place of the one before', () => {
    const { line, written } = progressLine({ isTTY: true })
    line.show('10 of 12')
    line.show('2 left')
    expect(written()).toBe('\r10 of 12\r2 left  ')
    line.clear()
    line.clear()
    expect(written()).toBe('\r10 of 12\r2 left  \r      \r')
  })

  test('a text longer than the terminal is wide: is cut, as it could not be taken away', () => {
    const { line, written } = progressLine({ isTTY: true, columns: 6 })
    line.show('0123456789')
    expect(written()).toBe('\r01234')
  })
})

describe('progress line: elsewhere', () => {
  test('a line every five seconds, and none for what is quick', () => {
    const { line, time, written } = progressLine({})
    for (let n = 0; n <= 100; n += 1) {
      line.show(`${n}`)
      time.nowMs += 100
    }
    expect(written()).toBe('50\n100\n')
    line.clear()
    line.show('the next command')
    expect(written()).toBe('50\n100\n')
  })
})
