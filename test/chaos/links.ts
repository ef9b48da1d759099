import type { KeyedRandom } from '@cassiopeia/env'
import type { Direction, LinkEffect } from './faults'

/** Something that moves bytes, and wants to hear when the rules have changed. */
export interface LinkUser {
  readonly from: string
  readonly to: string
  onLinksChanged(): void
  /** RST to both ends. */
  reset(): void
}

/** What is laid on the links between parties at the moment. */
export class Links {
  private readonly laid = new Set<{ where: readonly Direction[]; effect: LinkEffect }>()
  private readonly users = new Set<LinkUser>()
  private readonly flips: { where: Direction; draw: number }[] = []
  /** Bits flipped so far. */
  flipped = 0

  constructor(readonly random: KeyedRandom) {}

  add(user: LinkUser): void {
    this.users.add(user)
  }

  remove(user: LinkUser): void {
    this.users.delete(user)
  }

  /** @returns what takes it off again. */
  lay(where: readonly Direction[], effect: LinkEffect): () => void {
    const entry = { where, effect }
    this.laid.add(entry)
    this.tell()
    return () => {
      this.laid.delete(entry)
      this.tell()
    }
  }

  clear(): void {
    this.laid.clear()
    this.flips.splice(0)
    this.tell()
  }

  /** The worst of everything that holds for this direction; undefined when nothing does. */
  effectOn(from: string, to: string): LinkEffect | undefined {
    let worst: LinkEffect | undefined
    for (const { where, effect } of this.laid) {
      if (where.some((direction) => matches(direction, from, to))) worst = worse(worst, effect)
    }
    return worst
  }

  flipNext(where: Direction, draw: number): void {
    this.flips.push({ where, draw })
  }

  /** Changes one bit of the portion, when somebody has asked for that. */
  damage(from: string, to: string, bytes: Buffer): Buffer {
    const index = this.flips.findIndex(({ where }) => matches(where, from, to))
    if (index < 0) return bytes
    const { draw } = this.flips.splice(index, 1)[0]!
    const bit = Math.floor(draw * bytes.length * 8)
    const damaged = Buffer.from(bytes)
    damaged[bit >> 3]! ^= 1 << (bit & 7)
    this.flipped += 1
    return damaged
  }

  /** @returns how many directions of connections were reset. */
  reset(party: string): number {
    const users = [...this.users].filter(({ from, to }) => from === party || to === party)
    for (const user of users) user.reset()
    return users.length
  }

  private tell(): void {
    for (const user of [...this.users]) user.onLinksChanged()
  }
}

function matches([from, to]: Direction, a: string, b: string): boolean {
  return (from === '*' || from === a) && (to === '*' || to === b)
}

function worse(a: LinkEffect | undefined, b: LinkEffect): LinkEffect {
  if (a === undefined) return b
  return {
    ...(a.hold || b.hold ? { hold: true } : {}),
    ...most('delayMs', a, b, Math.max),
    ...most('jitterMs', a, b, Math.max),
    ...most('bytesPerSecond', a, b, Math.min),
    ...most('portionBytesMax', a, b, Math.min),
  }
}

function most(
  name: 'delayMs' | 'jitterMs' | 'bytesPerSecond' | 'portionBytesMax',
  a: LinkEffect,
  b: LinkEffect,
  choose: (...values: number[]) => number,
): LinkEffect {
  const values = [a[name], b[name]].filter((value) => value !== undefined)
  return values.length === 0 ? {} : { [name]: choose(...values) }
}
