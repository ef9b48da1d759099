/** A source of chance. Real ones are unpredictable; simulated ones replay from a seed. */
export interface Random {
  /** A uniform integer from 0 to 2^32 - 1. */
  u32(): number
  /** A uniform number in [0, 1). */
  unit(): number
  /** Fills a new buffer with `length` random bytes; the real one is fit for keys and nonces. */
  bytes(length: number): Buffer
}
