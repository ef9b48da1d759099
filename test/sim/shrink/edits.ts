/**
 * What can be taken out of a plan. Pure: each function gives a new plan. They know of a plan only what
 * they must, so that new kinds of faults, verbs and options need nothing here.
 */
import { clientName, type FaultKind, nodeName, type PlannedFault } from '../faults'
import type { History } from '../history'
import type { Plan, PlannedOperation } from '../plan'

/** A call of the plan: whose, and which of theirs. */
export type CallPlace = readonly [client: number, index: number]

export interface PlanSize {
  readonly operations: number
  readonly faults: number
  readonly clients: number
  readonly nodes: number
}

export function sizeOf({ operations, faults, nodes }: Plan): PlanSize {
  const calls = operations.reduce((sum, { length }) => sum + length, 0)
  return { operations: calls, faults: faults.length, clients: operations.length, nodes }
}

export function callsOf({ operations }: Plan): CallPlace[] {
  return operations.flatMap((calls, client) => calls.map((_, index) => [client, index] as const))
}

/**
 * Keeps some of the calls, each at its time: a call is planned relative to the answer before it, so the
 * next one also waits for as long as those between have taken.
 * @param history Of a run of this very plan.
 */
export function keepCalls(plan: Plan, kept: readonly CallPlace[], history: History): Plan {
  const wanted = plan.operations.map(() => new Set<number>())
  for (const [client, index] of kept) wanted[client]!.add(index)
  const operations = plan.operations.map((calls, client) => {
    const took = durations(history, client, calls.length)
    const left: PlannedOperation[] = []
    let goneMs = 0
    calls.forEach((call, index) => {
      if (wanted[client]!.has(index)) {
        left.push(goneMs === 0 ? call : { ...call, waitMs: call.waitMs + goneMs })
        goneMs = 0
      } else {
        goneMs += call.waitMs + took[index]!
      }
    })
    return left
  })
  return { ...plan, operations }
}

/** How long each planned call of a client lasted; 0 where nobody knows. */
function durations(history: History, client: number, count: number): number[] {
  const records = history.records.filter(
    (record) => record.client === client && record.phase === 'chaos',
  )
  return Array.from({ length: count }, (_, index) => {
    const { invokeMs = 0, completeMs = 0 } = records[index] ?? {}
    return Number.isFinite(completeMs) ? completeMs - invokeMs : 0
  })
}

/** The calls that a run began between these points of its virtual time. */
export function callsWithin(
  plan: Plan,
  history: History,
  fromMs: number,
  toMs: number,
): CallPlace[] {
  const asked = plan.operations.map(() => 0)
  const places: CallPlace[] = []
  for (const { client, phase, invokeMs } of history.records) {
    if (phase !== 'chaos') continue
    if (invokeMs >= fromMs && invokeMs <= toMs) places.push([client, asked[client]!])
    asked[client]! += 1
  }
  return places
}

/** Ends the chaos earlier. */
export function cutChaos(plan: Plan, chaosMs: number): Plan {
  return { ...plan, chaosMs, faults: plan.faults.filter(({ atMs }) => atMs <= chaosMs) }
}

export function withoutKind(plan: Plan, kind: FaultKind): Plan {
  return {
    ...plan,
    kinds: plan.kinds.filter((each) => each !== kind),
    faults: plan.faults.filter((fault) => fault.kind !== kind),
  }
}

export function withFaults(plan: Plan, faults: readonly PlannedFault[]): Plan {
  return { ...plan, faults }
}

/** Without a client; those behind it move up. */
export function withoutClient(plan: Plan, gone: number): Plan {
  const operations = plan.operations.filter((_, client) => client !== gone)
  const rename = (name: string) => {
    const client = plan.operations.findIndex((_, index) => clientName(index) === name)
    if (client === gone) return undefined
    return client > gone ? clientName(client - 1) : name
  }
  return { ...plan, operations, faults: renameIn(plan.faults, rename, plan.nodes) }
}

/** With the first nodes only. Partitions move to others: much of the run is another one then. */
export function withNodes(plan: Plan, nodes: number): Plan {
  const gone = Array.from({ length: plan.nodes - nodes }, (_, index) => nodeName(nodes + index))
  const rename = (name: string) => (gone.includes(name) ? undefined : name)
  const { staysDead, ...rest } = plan
  const dead = staysDead !== undefined && staysDead < nodes ? { staysDead } : {}
  return { ...rest, ...dead, nodes, faults: renameIn(plan.faults, rename, nodes) }
}

/** Drops the faults of those who are gone, whatever else a fault says of its own. */
function renameIn(
  faults: readonly PlannedFault[],
  rename: (name: string) => string | undefined,
  nodes: number,
): PlannedFault[] {
  const renamed = faults.map((fault) => {
    const action = renamedValue(fault.action, rename, nodes)
    return action === undefined ? undefined : ({ ...fault, action } as PlannedFault)
  })
  return renamed.filter((fault) => fault !== undefined)
}

/** @returns undefined when it is about somebody who is gone. */
function renamedValue(
  value: unknown,
  rename: (name: string) => string | undefined,
  nodes: number,
  field?: string,
): unknown {
  if (typeof value === 'string') return rename(value)
  if (typeof value === 'number') return field === 'node' && value >= nodes ? undefined : value
  if (Array.isArray(value)) {
    const items = value.map((item) => renamedValue(item, rename, nodes, field))
    // A direction has two ends or is none; groups and lists of directions may lose a member.
    const isDirection = field !== 'groups' && value.every((item) => typeof item === 'string')
    if (isDirection && items.includes(undefined)) return undefined
    return items.filter((item) => item !== undefined)
  }
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(
    ([name, each]) => [name, renamedValue(each, rename, nodes, name)] as const,
  )
  const isWhole = entries.every(
    ([name, each]) => each !== undefined || value[name as never] === undefined,
  )
  return isWhole ? Object.fromEntries(entries) : undefined
}

/** Everything earlier by what passes before anything happens. */
export function withoutLead(plan: Plan): Plan | undefined {
  const firsts = [
    ...plan.operations.filter((calls) => calls.length > 0).map((calls) => calls[0]!.waitMs),
    ...plan.faults.map(({ atMs }) => atMs),
  ]
  const leadMs = Math.floor(Math.min(...firsts))
  if (!(leadMs > 0) || leadMs >= plan.chaosMs) return undefined
  return {
    ...plan,
    chaosMs: plan.chaosMs - leadMs,
    operations: plan.operations.map(([first, ...rest]) =>
      first === undefined ? [] : [{ ...first, waitMs: first.waitMs - leadMs }, ...rest],
    ),
    faults: plan.faults.map((fault) => ({ ...fault, atMs: fault.atMs - leadMs })),
  }
}

/**
 * What options are when nothing depends on them, those together of which one bounds the other. Options
 * that are not named here stay as drawn.
 */
const PLAIN_NODE: readonly Readonly<Record<string, unknown>>[] = Object.freeze([
  { sync: 'group', syncIntervalMs: 200 },
  { segmentBytes: 65_536, memtableBytes: 32_768 },
  { inlineWriteBytesMax: 65_536, readInPlace: true },
  { gossipIntervalMs: 200, phiThreshold: 8 },
  { hedgeMinMs: 10, hedgeMaxMs: 100 },
  { reserveAheadMs: 500 },
  { pingIntervalMs: 250, silenceMaxMs: 1_000 },
  { handshakeTimeoutMs: 1_000, frameTimeoutMs: 2_000 },
  { backoffMinMs: 50, backoffMaxMs: 500 },
])

/** One plan for each group of options that is not plain yet, and first one with all of them plain. */
export function withPlainOptions(plan: Plan): Plan[] {
  const fancy = fancyOptions(plan)
  const plain = (options: object): Plan => ({ ...plan, node: { ...plan.node, ...options } })
  return fancy.length < 2
    ? fancy.map(plain)
    : [plain(Object.assign({}, ...fancy)), ...fancy.map(plain)]
}

/** The groups of options that are not plain yet. */
export function fancyOptions({ node }: Plan): Readonly<Record<string, unknown>>[] {
  const options = node as unknown as Record<string, unknown>
  return PLAIN_NODE.filter((group) =>
    Object.entries(group).some(([name, plain]) => options[name] !== plain),
  )
}

/** Without each of the things that a plan may do besides calls and faults: one plan for each. */
export function plainerPlans(plan: Plan): Plan[] {
  const { staysDead, ...rest } = plan
  return [
    ...(plan.buggify ? [{ ...plan, buggify: false }] : []),
    ...(plan.quietMs > 0 ? [{ ...plan, quietMs: 0 }] : []),
    ...(staysDead === undefined ? [] : [rest]),
  ]
}

export function withPlainCalls(plan: Plan): Plan {
  const operations = plan.operations.map((calls) =>
    calls.map((call) => ({ ...call, padBytes: 0, waitMs: Math.round(call.waitMs) })),
  )
  return { ...plan, operations }
}
