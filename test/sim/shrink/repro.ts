import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { formatRecord } from '../history'
import type { Plan } from '../plan'
import { type PlanSize, sizeOf } from './edits'
import type { Shrunk } from './shrinker'

const FORMAT = 1

/** A failing run as a file: `npm run simulate -- --repro FILE` runs its plan again. */
export interface Repro {
  readonly format: number
  /** For people: what was wrong. To be written by whoever keeps it as a regression. */
  readonly why?: string
  /** The rule that was broken, and what it had to say when this was written. */
  readonly rule: string
  readonly message: string
  readonly key: string | undefined
  readonly witnesses: readonly string[]
  /** The seed that was shrunk to this, the commit of the code, and how large plan and shrunk plan are. */
  readonly seed: number
  readonly commit: string
  readonly before: PlanSize
  readonly after: PlanSize
  readonly plan: Plan
}

export function reproOf(original: Plan, { plan, violation }: Shrunk): Repro {
  return {
    format: FORMAT,
    rule: violation.rule,
    message: violation.message,
    key: violation.key,
    witnesses: violation.witnesses.map(formatRecord),
    seed: original.seed,
    commit: commitNow(),
    before: sizeOf(original),
    after: sizeOf(plan),
    plan,
  }
}

export function writeRepro(path: string, repro: Repro): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${JSON.stringify(repro, undefined, 2)}\n`)
}

/** @throws Error when it is not such a file. */
export function readRepro(path: string): Repro {
  let repro: Partial<Repro>
  try {
    repro = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw new Error(`${path} cannot be read as JSON: ${(error as Error).message}`)
  }
  if (repro.format !== FORMAT || repro.plan === undefined) {
    throw new Error(`${path} is not a repro file of format ${FORMAT}`)
  }
  return { ...(repro as Repro), plan: ofToday(repro.plan) }
}

/**
 * Plans that were written down before a field was added to `Plan` mean what it meant to have none: say
 * here what that is, when you add one.
 */
function ofToday(plan: Plan): Plan {
  return plan
}

/** 'unknown' outside of a repository. Changes that are not committed are not told of. */
function commitNow(): string {
  const { status, stdout } = spawnSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: __dirname,
    encoding: 'utf8',
  })
  return status === 0 ? stdout.trim() : 'unknown'
}
