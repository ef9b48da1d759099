/** A founder as it describes itself. */
export interface Founder {
  readonly id: string
  readonly rack: string
  readonly datacenter: string
  readonly weight: number
}

/** What one founder knows of all: by address, a `Founder` as canonical JSON. */
export type FoundingView = Readonly<Record<string, string>>

export function encodeFounder({ id, rack, datacenter, weight }: Founder): string {
  return JSON.stringify([id, rack, datacenter, weight])
}

/** @throws Error when the text is no founder. */
export function decodeFounder(text: string): Founder {
  const [id, rack, datacenter, weight] = JSON.parse(text) as [string, string, string, number]
  const named = [id, rack, datacenter].every((each) => typeof each === 'string' && each !== '')
  if (!named || !Number.isInteger(weight) || weight < 1) throw new Error('not a founder')
  return { id, rack, datacenter, weight }
}

/** Whether it is a founder, written as `encodeFounder` does. */
function isFounder(text: unknown): text is string {
  try {
    return typeof text === 'string' && encodeFounder(decodeFounder(text)) === text
  } catch {
    return false
  }
}

/**
 * Decides when a fixed list of founders may form their cluster: when each of them is known to know
 * the same of every address. From then on all of them compute the same map.
 *
 * A view that is complete is never changed, since whoever saw it may have founded upon it; a founder
 * whose disk was wiped after that is a stranger. Pure.
 */
export class FoundingCore {
  private readonly founders = new Map<string, string>()
  private readonly views = new Map<string, FoundingView>()

  /** @param addresses All founders, this node's own address included. */
  constructor(
    private readonly addresses: readonly string[],
    private readonly ownAddress: string,
    own: Founder,
  ) {
    this.founders.set(ownAddress, encodeFounder(own))
  }

  /**
   * A founder's view has arrived; its word counts for itself, and as proof of what it knows.
   * @returns whether this node's own view has changed and should be sent to the others.
   */
  onView(from: string, view: unknown): boolean {
    if (typeof view !== 'object' || view === null) return false
    if (from === this.ownAddress || !this.addresses.includes(from)) return false
    const theirs = view as Partial<FoundingView>
    this.views.set(from, theirs as FoundingView)
    const itself = theirs[from]
    if (!isFounder(itself) || this.missing().length === 0) return false
    if (this.founders.get(from) === itself) return false
    this.founders.set(from, itself)
    return true
  }

  /** This node's own view. */
  view(): FoundingView {
    return Object.fromEntries(this.founders)
  }

  /** Founders that have not been heard from. */
  missing(): string[] {
    return this.addresses.filter((address) => !this.founders.has(address))
  }

  /** Founders whose view is not known to be the same as this node's. */
  undecided(): string[] {
    return this.addresses.filter((address) => {
      if (address === this.ownAddress) return false
      const theirs = this.views.get(address)
      return this.addresses.some((each) => theirs?.[each] !== this.founders.get(each))
    })
  }

  /** Whether the cluster may form now, from `view()`. */
  agreed(): boolean {
    return this.missing().length === 0 && this.undecided().length === 0
  }
}
