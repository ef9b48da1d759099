import { explain } from './explain'
import { exists, get, mget, ttl } from './get'
import { repair } from './repair'
import { scan } from './scan'
import { del, mset, set } from './set'
import { status } from './status'
import type { Verb } from './verb'
import { where } from './where'

/** All verbs, in the order of the help texts. */
export const VERBS: readonly Verb[] = Object.freeze([
  set,
  get,
  del,
  mset,
  mget,
  exists,
  ttl,
  scan,
  where,
  explain,
  status,
  repair,
])

export function findVerb(name: string): Verb | undefined {
  return VERBS.find((verb) => verb.name === name)
}
