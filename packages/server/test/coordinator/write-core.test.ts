import { quorum, ReplicaOutcome, STAMP_BYTES } from '@cassiopeia/protocol'
import { WriteCore, WriteStep } from '../../src/coordinator/write-core'

const { applied, dominated, overloaded, staleMap, storage, expired, fenced } = ReplicaOutcome

function stamp(ms: number): Buffer {
  const bytes = Buffer.alloc(STAMP_BYTES + 3)
  bytes.writeUIntBE(ms, 3, 6)
  return bytes
}

/** A write that has been sent to all its replicas. */
function begun(replicas: number, required: number, keepStamp = false): WriteCore {
  const core = new WriteCore()
  core.begin(replicas, required, keepStamp)
  for (let replica = 0; replica < replicas; replica += 1) core.sent(replica)
  return core
}

function stepName(step: WriteStep): string {
  return Object.entries(WriteStep).find(([, each]) => each === step)![0]
}

const LEVELS = [1, 2, 3, 4, 5].flatMap((replicas) =>
  [...new Set([1, 2, 3, quorum(replicas), replicas])]
    .filter((required) => required <= replicas)
    .map((required) => [replicas, required] as const),
)

describe('write core', () => {
  it.each(LEVELS)(
    'write core: acks one by one: written at the last (RF=%d, W=%d)',
    (rf, required) => {
      const core = begun(rf, required)
      for (let replica = 0; replica < rf; replica += 1) {
        const step = core.onOutcome(replica, applied)
        // Once the operation has been acknowledged its owner does not ask any more.
        if (replica < required)
          expect(step).toBe(replica + 1 < required ? WriteStep.wait : WriteStep.written)
      }
      expect(core.mayBeApplied()).toBe(true)
    },
  )

  it.each(LEVELS)(
    'write core: repeated ack from one replica: does not count (RF=%d, W=%d)',
    (rf, required) => {
      const core = begun(rf, required)
      core.onOutcome(0, applied)
      for (let i = 0; i < 5; i += 1) expect(core.onOutcome(0, applied)).toBe(WriteStep.wait)
      expect(core.received).toBe(1)
    },
  )

  it.each(LEVELS)(
    'write core: as many lost as may be: waits; one more: failed (RF=%d, W=%d)',
    (rf, required) => {
      const core = begun(rf, required)
      for (let replica = 0; replica < rf - required; replica += 1) {
        expect(core.onLost(replica)).toBe(WriteStep.wait)
      }
      expect(core.onLost(rf - required)).toBe(WriteStep.failed)
      expect(core.onLost(rf - required)).toBe(WriteStep.wait)
      expect(core.mayBeApplied()).toBe(true)
    },
  )

  it.each(LEVELS)(
    'write core: all refuse: failed, and certainly not applied (RF=%d, W=%d)',
    (rf, required) => {
      const core = begun(rf, required)
      const steps = Array.from({ length: rf }, (_, replica) =>
        core.onOutcome(replica, [overloaded, staleMap, expired][replica % 3]!),
      )
      expect(steps.map(stepName).indexOf('failed')).toBe(rf - required)
      expect(core.mayBeApplied()).toBe(false)
      expect(core.received).toBe(0)
    },
  )

  it('write core: answers of strangers and of replicas that were not asked: do not count', () => {
    const core = new WriteCore()
    core.begin(3, 2, false)
    core.sent(0)
    core.sent(1)
    expect(core.onOutcome(2, applied)).toBe(WriteStep.wait)
    expect(core.onOutcome(7, applied)).toBe(WriteStep.wait)
    expect(core.onOutcome(-1, applied)).toBe(WriteStep.wait)
    expect(core.onLost(2)).toBe(WriteStep.wait)
    expect(core.received).toBe(0)
    expect(core.onOutcome(0, applied)).toBe(WriteStep.wait)
    expect(core.onOutcome(1, applied)).toBe(WriteStep.written)
  })

  it('write core: too few could be sent to: failed at once; nothing sent: not applied', () => {
    const core = new WriteCore()
    core.begin(3, 2, false)
    expect([core.judge(), core.mayBeApplied()]).toEqual([WriteStep.failed, false])
    core.sent(0)
    expect([core.judge(), core.mayBeApplied()]).toEqual([WriteStep.failed, true])
    core.sent(1)
    expect(core.judge()).toBe(WriteStep.wait)
  })

  it.each([0, 1])('write core: one of the answers is dominated, number %d: restamp', (position) => {
    const core = begun(3, 2)
    const answer = (replica: number): WriteStep =>
      replica === position
        ? core.onOutcome(replica, dominated, stamp(50), 3)
        : core.onOutcome(replica, applied)
    expect(stepName(answer(0))).toBe('wait')
    expect(stepName(answer(1))).toBe('restamp')
    expect(core.newest.readUIntBE(0, 6)).toBe(50)
  })

  it('write core: several dominate: the newest of them counts', () => {
    const core = begun(3, 3)
    core.onOutcome(0, dominated, stamp(50), 3)
    core.onOutcome(1, dominated, stamp(70), 3)
    expect(stepName(core.onOutcome(2, dominated, stamp(60), 3))).toBe('restamp')
    expect(core.newest.readUIntBE(0, 6)).toBe(70)
  })

  it('write core: dominated with a stamp of the client: superseded, not moved', () => {
    const core = begun(3, 2, true)
    core.onOutcome(0, dominated, stamp(50), 3)
    expect(stepName(core.onOutcome(1, applied))).toBe('written')
    expect(core.dominated).toBe(true)
  })

  it('write core: the next round: begins from nothing, the old domination forgotten', () => {
    const core = begun(3, 2)
    core.onOutcome(0, dominated, stamp(50), 3)
    core.onOutcome(1, applied)
    core.begin(3, 2, false)
    expect([core.received, core.dominated, core.mayBeApplied()]).toEqual([0, false, false])
    // What still comes for the first round finds nobody waiting.
    expect(core.onOutcome(2, applied)).toBe(WriteStep.wait)
    expect(core.onLost(2)).toBe(WriteStep.wait)
    for (const replica of [0, 1, 2]) core.sent(replica)
    core.onOutcome(2, applied)
    expect(stepName(core.onOutcome(0, applied))).toBe('written')
  })

  it('write core: begun for the next tenant of its slot: no answer of the last one is left', () => {
    const core = begun(5, 3)
    for (const replica of [0, 1, 2]) core.onOutcome(replica, applied)
    core.begin(3, 2, false)
    // The connection of a replica that the last tenant still waited for is lost.
    expect(core.onLost(3)).toBe(WriteStep.wait)
    expect(core.onLost(2)).toBe(WriteStep.wait)
  })

  it('write core: a failed disk may have kept what it could not confirm: may be applied', () => {
    const core = begun(2, 2)
    expect(core.onOutcome(0, overloaded)).toBe(WriteStep.failed)
    core.onOutcome(1, storage)
    expect(core.mayBeApplied()).toBe(true)
    expect([core.outcomeOf(0), core.outcomeOf(1)]).toEqual([overloaded, storage])
  })

  it('write core: an outcome of nobody: does not count, and may be applied', () => {
    for (const outcome of [2, 77, 127, 253, 254, 255]) {
      const core = begun(2, 1)
      expect(core.onOutcome(0, outcome as ReplicaOutcome)).toBe(WriteStep.wait)
      expect(core.onOutcome(0, outcome as ReplicaOutcome)).toBe(WriteStep.wait)
      expect(core.received).toBe(0)
      expect(core.mayBeApplied()).toBe(true)
      expect(stepName(core.onOutcome(1, applied))).toBe('written')
    }
  })

  it('write core: more replicas than ever before: room is made', () => {
    const core = begun(3, 2)
    core.begin(16, 9, false)
    for (let replica = 0; replica < 16; replica += 1) core.sent(replica)
    for (let replica = 15; replica > 7; replica -= 1) {
      expect(core.onOutcome(replica, applied)).toBe(WriteStep.wait)
    }
    expect(stepName(core.onOutcome(0, applied))).toBe('written')
  })

  test('a fence is a refusal where enough others take the write', () => {
    const core = begun(3, 2)
    expect(core.onOutcome(0, fenced, stamp(9), 3)).toBe(WriteStep.wait)
    core.onOutcome(1, applied)
    expect(core.onOutcome(2, applied)).toBe(WriteStep.written)
    expect(core.received).toBe(2)
    expect([0, 1, 2].map((replica) => core.wantsHint(replica))).toEqual([false, false, false])
  })

  test('a write that fences keep from its level is stamped again above the highest', () => {
    const core = begun(3, 2)
    core.onOutcome(0, fenced, stamp(9), 3)
    expect(core.onOutcome(1, fenced, stamp(7), 3)).toBe(WriteStep.restamp)
    expect(core.newest.readUIntBE(0, 6)).toBe(9)
    core.begin(3, 2, false)
    for (let replica = 0; replica < 3; replica += 1) core.sent(replica)
    core.onOutcome(0, overloaded)
    expect(core.onOutcome(1, overloaded)).toBe(WriteStep.failed)
  })

  test('with a stamp of the client a fence is final, and nothing was applied', () => {
    const core = begun(3, 2, true)
    core.onOutcome(0, fenced, stamp(9), 3)
    expect(core.onOutcome(1, fenced, stamp(9), 3)).toBe(WriteStep.wait)
    expect(core.onOutcome(2, fenced, stamp(9), 3)).toBe(WriteStep.failed)
    expect(core.mayBeApplied()).toBe(false)
  })

  test('hints are for replicas that did not answer or could not take it', () => {
    const core = begun(5, 3)
    core.onOutcome(0, applied)
    core.onOutcome(1, dominated, stamp(4), 3)
    core.onOutcome(2, overloaded)
    core.onLost(3)
    expect([0, 1, 2, 3, 4].map((replica) => core.wantsHint(replica))).toEqual([
      false,
      false,
      true,
      true,
      true,
    ])
  })
})
