import { ReadPace } from '../../src/engine/read-pace'

class TestClock {
  nowMs = 1_000

  monotonicMs(): number {
    return this.nowMs
  }

  wallMs(): number {
    return this.nowMs
  }
}

function paced(): { read: (ms: number) => void; pace: ReadPace; clock: TestClock } {
  const clock = new TestClock()
  const pace = new ReadPace(clock, true)
  const read = (ms: number) => {
    const startedMs = clock.nowMs
    clock.nowMs += ms
    pace.noteRead(startedMs)
  }
  return { read, pace, clock }
}

test('quick reads stay in place, also when one of them was interrupted', () => {
  const { read, pace } = paced()
  for (let i = 0; i < 100; i += 1) read(0.004)
  read(1.5)
  expect(pace.inPlace).toBe(true)
})

test('slow reads go to another thread for a second, then one tries again', () => {
  const { read, pace, clock } = paced()
  for (let i = 0; i < 20; i += 1) read(0.12)
  expect(pace.inPlace).toBe(false)
  clock.nowMs += 999
  expect(pace.inPlace).toBe(false)
  clock.nowMs += 2
  expect(pace.inPlace).toBe(true)
  read(0.12)
  expect(pace.inPlace).toBe(false)
  clock.nowMs += 1_001
  read(0.003)
  expect(pace.inPlace).toBe(true)
})

test('one read that holds the loop for long is enough', () => {
  const { read, pace } = paced()
  for (let i = 0; i < 100; i += 1) read(0.004)
  read(6)
  expect(pace.inPlace).toBe(false)
})

test('never in place when it is switched off', () => {
  expect(new ReadPace(new TestClock(), false).inPlace).toBe(false)
})
