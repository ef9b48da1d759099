import { KeyedRandom } from '@cassiopeia/env'
import { AWAKE, DeadlineQueue, type Sleeper, TICK_MS } from '../src/deadline-queue'

interface Named extends Sleeper {
  readonly name: number
}

function sleeper(name: number): Named {
  return { ...AWAKE, name }
}

describe('deadline queue', () => {
  it('deadline queue: one sleeper: woken once, at its tick or after', () => {
    const queue = new DeadlineQueue<Named>()
    const one = sleeper(1)
    expect(queue.nextMs).toBe(Number.POSITIVE_INFINITY)
    expect(queue.schedule(one, 101)).toBe(110)
    expect(queue.nextMs).toBe(110)
    expect(queue.collect(109.9)).toEqual([])
    expect(queue.collect(110)).toEqual([one])
    expect(queue.collect(500)).toEqual([])
  })

  it('deadline queue: scheduled again: only the last wish counts', () => {
    const queue = new DeadlineQueue<Named>()
    const one = sleeper(1)
    queue.schedule(one, 100)
    queue.schedule(one, 300)
    expect(queue.collect(200)).toEqual([])
    queue.schedule(one, 250)
    expect(queue.collect(250)).toEqual([one])
  })

  it('deadline queue: cancelled: not woken, and may sleep again', () => {
    const queue = new DeadlineQueue<Named>()
    const one = sleeper(1)
    queue.schedule(one, 100)
    queue.cancel(one)
    queue.cancel(one)
    expect(queue.collect(1_000)).toEqual([])
    queue.schedule(one, 1_100)
    expect(queue.collect(1_100)).toEqual([one])
  })

  it('deadline queue: against a Map, in lockstep (20,000 operations)', () => {
    const random = new KeyedRandom(1, 'queue')
    const queue = new DeadlineQueue<Named>()
    const sleepers = Array.from({ length: 200 }, (_, n) => sleeper(n))
    const model = new Map<Named, number>()
    let nowMs = 0
    for (let step = 0; step < 20_000; step += 1) {
      const one = sleepers[random.below(sleepers.length)]!
      const fate = random.below(10)
      if (fate < 6) {
        const dueMs = nowMs + random.between(0, 500)
        model.set(one, Math.ceil(dueMs / TICK_MS) * TICK_MS)
        expect(queue.schedule(one, dueMs)).toBe(model.get(one))
      } else if (fate < 8) {
        queue.cancel(one)
        model.delete(one)
      } else {
        nowMs += random.between(0, 30)
        const due = [...model.keys()].filter((each) => model.get(each)! <= nowMs)
        const collected = queue.collect(nowMs)
        expect(collected.map(({ name }) => name).sort()).toEqual(due.map(({ name }) => name).sort())
        for (const each of due) model.delete(each)
        for (const each of collected) queue.cancel(each)
      }
      const earliestMs = Math.min(Number.POSITIVE_INFINITY, ...model.values())
      expect(queue.nextMs).toBeLessThanOrEqual(earliestMs)
    }
  })
})
