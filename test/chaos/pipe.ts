import type { Socket } from 'node:net'
import type { Links, LinkUser } from './links'

/** Bytes that wait here before the sender is held up too. */
const HELD_BYTES_MAX = 256 * 1024
const PORTION_BYTES_MAX = 64 * 1024
/** On a slow link bytes go in portions of so long, at least one byte. */
const SLOW_PORTION_MS = 50

type Item =
  | { readonly type: 'bytes'; bytes: Buffer; readonly readyMs: number }
  /** The sender has ended its side well; or its connection is lost. */
  | { readonly type: 'end' | 'reset'; readonly readyMs: number }

/** One direction of one connection through a proxy. Bytes, and the end of them, never change order. */
export class Pipe implements LinkUser {
  private readonly items: Item[] = []
  private heldBytes = 0
  private freeAtMs = 0
  private readyMs = 0
  private timer: NodeJS.Timeout | undefined
  private isFull = false

  constructor(
    private readonly links: Links,
    private readonly source: Socket,
    private readonly sink: Socket,
    readonly from: string,
    readonly to: string,
  ) {
    links.add(this)
    source.on('data', (bytes: Buffer) => this.push({ type: 'bytes', bytes, readyMs: this.when() }))
    source.on('end', () => this.push({ type: 'end', readyMs: this.when() }))
    // After an error the connection is gone in both directions.
    source.on('error', () => this.push({ type: 'reset', readyMs: this.when() }))
    sink.on('drain', () => {
      this.isFull = false
      this.pump()
    })
    sink.on('close', () => this.close())
  }

  onLinksChanged(): void {
    this.pump()
  }

  reset(): void {
    this.sink.resetAndDestroy()
    this.source.resetAndDestroy()
    this.close()
  }

  private close(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    this.items.splice(0)
    this.heldBytes = 0
    this.links.remove(this)
    // What still comes has nobody to go to; but its end must be seen.
    this.source.resume()
  }

  /** When what arrives now may leave: later than all before it. */
  private when(): number {
    const effect = this.links.effectOn(this.from, this.to)
    const { delayMs = 0, jitterMs = 0 } = effect ?? {}
    const jitter = jitterMs > 0 ? this.links.random.between(0, jitterMs) : 0
    this.readyMs = Math.max(this.readyMs, performance.now() + delayMs + jitter)
    return this.readyMs
  }

  private push(item: Item): void {
    if (this.sink.destroyed) return
    this.items.push(item)
    if (item.type === 'bytes') {
      this.heldBytes += item.bytes.length
      if (this.heldBytes > HELD_BYTES_MAX) this.source.pause()
    }
    this.pump()
  }

  private pump(): void {
    while (this.items.length > 0 && this.timer === undefined && !this.isFull) {
      const effect = this.links.effectOn(this.from, this.to)
      // Woken when the rules change.
      if (effect?.hold) return
      const item = this.items[0]!
      const waitMs = Math.max(item.readyMs, this.freeAtMs) - performance.now()
      if (waitMs > 0) {
        this.wakeIn(waitMs)
        return
      }
      if (item.type !== 'bytes') {
        this.items.shift()
        if (item.type === 'end') this.sink.end()
        else this.sink.resetAndDestroy()
        continue
      }
      const { bytesPerSecond, portionBytesMax = PORTION_BYTES_MAX } = effect ?? {}
      const portion = this.take(item, portionBytesMax, bytesPerSecond)
      this.isFull = !this.sink.write(this.links.damage(this.from, this.to, portion))
      // A turn of the event loop in between, so that the receiver gets the portions one by one.
      if (effect?.portionBytesMax !== undefined && this.items.length > 0) this.wakeIn(0)
    }
  }

  private take(item: Item & { type: 'bytes' }, most: number, bytesPerSecond?: number): Buffer {
    const slow = bytesPerSecond === undefined ? most : (bytesPerSecond * SLOW_PORTION_MS) / 1_000
    const bytes = Math.max(1, Math.min(most, Math.floor(slow), item.bytes.length))
    const portion = item.bytes.subarray(0, bytes)
    item.bytes = item.bytes.subarray(bytes)
    if (item.bytes.length === 0) this.items.shift()
    this.heldBytes -= bytes
    if (this.heldBytes <= HELD_BYTES_MAX) this.source.resume()
    if (bytesPerSecond !== undefined) {
      this.freeAtMs = performance.now() + (bytes / bytesPerSecond) * 1_000
    }
    return portion
  }

  private wakeIn(ms: number): void {
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.pump()
    }, Math.ceil(ms))
  }
}
