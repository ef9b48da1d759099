import { AbortWatch } from '../src/abort-watch'

describe('abort watch', () => {
  test('abort watch: a thousand calls on one signal: one listener, each told once, none left', () => {
    const aborter = new AbortController()
    const added = jest.spyOn(aborter.signal, 'addEventListener')
    const removed = jest.spyOn(aborter.signal, 'removeEventListener')
    const told: number[] = []
    const watch = new AbortWatch<number>((call) => {
      told.push(call)
      watch.remove(aborter.signal, call)
    })
    for (let call = 0; call < 1_000; call += 1) watch.add(aborter.signal, call)
    watch.remove(aborter.signal, 500)
    aborter.abort()
    expect(told).toEqual(Array.from({ length: 1_000 }, (_, i) => i).filter((i) => i !== 500))
    expect([added.mock.calls.length, removed.mock.calls.length]).toEqual([1, 1])
  })

  test('abort watch: the last call has ended: the signal is let go, and may be watched again', () => {
    const aborter = new AbortController()
    const told: string[] = []
    const watch = new AbortWatch<string>((call) => told.push(call))
    watch.add(aborter.signal, 'first')
    watch.remove(aborter.signal, 'first')
    watch.remove(aborter.signal, 'first')
    watch.add(aborter.signal, 'second')
    aborter.abort()
    expect(told).toEqual(['second'])
  })
})
