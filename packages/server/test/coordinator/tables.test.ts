import { KeyedRandom } from '@cassiopeia/env'
import { DeadlineWheel } from '../../src/coordinator/deadline-wheel'
import { serialOf, slotOf, ticketOf, WriteOperation } from '../../src/coordinator/operation'
import { OperationTable } from '../../src/coordinator/operation-table'
import { NODE_OPTIONS } from '../../src/options'

describe('deadline wheel', () => {
  it.each([1, 2, 3, 4, 5, 6])(
    'deadline wheel: against a list, with pauses of any length: the same tokens (seed %d)',
    (seed) => {
      const random = new KeyedRandom(seed, 'wheel')
      const tickMs = 1 + random.below(10)
      const slots = 1 + random.below(64)
      let nowMs = random.below(100_000) + random.unit()
      const wheel = new DeadlineWheel(tickMs, slots, nowMs)
      const model = new Map<number, number>()
      let lastToken = 0
      const add = (dueMs: number): void => {
        lastToken += 1
        wheel.add(lastToken, dueMs)
        model.set(lastToken, Math.max(dueMs, nowMs))
      }
      for (let step = 0; step < 3_000; step += 1) {
        if (random.chance(0.6)) {
          const far = random.chance(0.1) ? tickMs * slots * 5 : tickMs * slots
          add(nowMs + random.below(far) - tickMs * 2)
          continue
        }
        nowMs += random.chance(0.05) ? random.below(tickMs * slots * 4) : random.unit() * tickMs * 3
        const visited: number[] = []
        wheel.advance(nowMs, (token) => {
          visited.push(token)
          // Whoever is told may ask to be told again.
          if (random.chance(0.1)) add(nowMs + random.below(50))
        })
        for (const token of visited) {
          const dueMs = model.get(token)
          if (dueMs === undefined) throw new Error(`token ${token} came twice, or from nowhere`)
          if (dueMs > nowMs) throw new Error(`token ${token} came ${dueMs - nowMs} ms early`)
          model.delete(token)
        }
        for (const [token, dueMs] of model) {
          const lateMs = nowMs - dueMs
          if (lateMs >= 2 * tickMs) throw new Error(`token ${token} is ${lateMs} ms late`)
        }
        expect(wheel.size).toBe(model.size)
      }
    },
  )
})

describe('operation table', () => {
  it('operation table: tickets: slot and serial come back, up to their largest', () => {
    for (const slot of [0, 1, 2 ** 20, 2 ** 21 - 1]) {
      for (const serial of [1, 2 ** 31, 2 ** 32 - 1]) {
        const ticket = ticketOf(slot, serial)
        expect(Number.isSafeInteger(ticket)).toBe(true)
        expect([slotOf(ticket), serialOf(ticket)]).toEqual([slot, serial])
      }
    }
  })

  it('operation table: reads and writes at their most, in turn: every slot has its own ticket', () => {
    const { max } = NODE_OPTIONS.operationsMax as { max: number }
    const lastSlot = 2 * max - 1
    expect(slotOf(ticketOf(lastSlot, 5))).toBe(lastSlot)
  })

  it('operation table: answers and timers of an earlier tenant: find nobody', () => {
    const table = new OperationTable()
    const first = table.takeWrite()
    const { slot, sequence, ticket } = first
    expect(table.find(slot, sequence)).toBe(first)
    expect(table.findByTicket(ticket)).toBe(first)
    table.release(first)
    expect(table.find(slot, sequence)).toBeUndefined()
    expect(table.find(slot, 0)).toBeUndefined()
    expect(table.findByTicket(ticket)).toBeUndefined()
    const second = table.takeWrite()
    expect(second.slot).toBe(slot)
    expect(table.find(slot, sequence)).toBeUndefined()
    expect(table.find(99, sequence)).toBeUndefined()
    expect(table.findByTicket(ticket)).toBeUndefined()
  })

  it('operation table: a new round: answers to the earlier one find nobody, timers still do', () => {
    const table = new OperationTable()
    const write = table.takeWrite()
    const { slot, sequence, ticket } = write
    write.sequence = table.nextSequence()
    expect(table.find(slot, sequence)).toBeUndefined()
    expect(table.find(slot, write.sequence)).toBe(write)
    expect(table.findByTicket(ticket)).toBe(write)
  })

  it('operation table: sequences wrap: never 0, which stands for free', () => {
    const table = new OperationTable()
    Object.assign(table, { lastSerial: 0xfffffffe })
    expect([table.nextSequence(), table.nextSequence(), table.nextSequence()]).toEqual([
      0xffffffff, 1, 2,
    ])
  })

  it('operation table: random use: each operation is found by its own names only (seed 7)', () => {
    const random = new KeyedRandom(7, 'operations')
    const table = new OperationTable()
    const live: {
      operation: ReturnType<OperationTable['takeRead' | 'takeWrite']>
      ticket: number
    }[] = []
    const dead: number[] = []
    for (let i = 0; i < 20_000; i += 1) {
      if (live.length < 50 && random.chance(0.6)) {
        const operation = random.chance(0.5) ? table.takeRead() : table.takeWrite()
        expect(operation.members).toHaveLength(0)
        live.push({ operation, ticket: operation.ticket })
      } else if (live.length > 0) {
        const [gone] = live.splice(random.below(live.length), 1)
        table.release(gone!.operation)
        dead.push(gone!.ticket)
      }
      expect(table.size).toBe(live.length)
      if (i % 100 === 0) {
        for (const { operation, ticket } of live) expect(table.findByTicket(ticket)).toBe(operation)
        for (const ticket of dead.splice(0)) expect(table.findByTicket(ticket)).toBeUndefined()
      }
    }
    const seen: unknown[] = []
    table.forEach((operation) => {
      seen.push(operation)
      table.release(operation)
    })
    expect(new Set(seen).size).toBe(live.length)
    expect([table.size, table.takeWrite() instanceof WriteOperation]).toEqual([0, true])
  })
})
