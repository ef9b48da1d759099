import { KeyedRandom } from '../../src'
import { EventHeap, type SimEvent } from '../../src/sim/event-heap'

function makeEvent(timeMs: number, tie: number, sequence: number): SimEvent {
  const run = () => {}
  return { timeMs, tie, sequence, kind: '', owner: undefined, about: undefined, detail: 0, run }
}

const inOrder = (a: SimEvent, b: SimEvent) =>
  a.timeMs - b.timeMs || a.tie - b.tie || a.sequence - b.sequence

describe('event heap', () => {
  it('event heap: 20,000 operations: as a sorted array', () => {
    const random = new KeyedRandom('heap', 'test')
    const heap = new EventHeap()
    let model: SimEvent[] = []
    for (let step = 0; step < 20_000; step += 1) {
      const choice = random.below(1_000)
      if (choice < 550) {
        const event = makeEvent(random.below(50), random.below(3), step)
        heap.push(event)
        model.push(event)
      } else if (choice < 999) {
        const expected = model.sort(inOrder).shift()
        expect(heap.peek()).toBe(expected)
        expect(heap.pop()).toBe(expected)
      } else {
        const wanted = (event: SimEvent) => event.timeMs % 3 > 0
        heap.retain(wanted)
        model = model.filter(wanted)
      }
      expect(heap.size).toBe(model.length)
    }
  })
})
