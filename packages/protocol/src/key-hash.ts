/** 2^32: the high words of a 52-bit hash weigh this much. */
const HIGH_WORD = 0x1_0000_0000

/**
 * The hash of a key: 64-bit FNV-1a over `bytes[start..end)`, xor-folded to 52
 * bits so that it is a safe integer. It equals `fast1a52` of `fnv-plus` on the
 * latin1 string of the same bytes, without making that string: nothing is
 * allocated. The range is not checked against the length of `bytes`.
 *
 * The state is two 32-bit words. The FNV prime is 2^40 + 435, so one step is
 *
 *     low  ← low · 435
 *     high ← high · 435 + (low << 8) + (the carry of low · 435 past 32 bits)
 *
 * and the carry is taken from two 16-bit products, which never leave 32 bits.
 * Each byte waits only for an exclusive or and one multiplication of the byte
 * before; the carry is worked out beside that.
 *
 * @returns 0 to 2^52 − 1.
 * @see draft-eastlake-fnv, sections 2 to 5 (FNV-1a, xor-folding)
 */
export function keyHash(bytes: Uint8Array, start: number, end: number): number {
  let low = 0x84222325 | 0
  let high = 0xcbf29ce4 | 0
  for (let i = start; i < end; i++) {
    low ^= bytes[i]!
    const lower = (low & 0xffff) * 435
    const upper = (low >>> 16) * 435 + (lower >>> 16)
    high = (Math.imul(high, 435) + (low << 8) + (upper >>> 16)) | 0
    low = Math.imul(low, 435)
  }
  // The twelve bits that do not fit are folded into the lowest ones.
  return (high & 0xfffff) * HIGH_WORD + ((low ^ (high >>> 20)) >>> 0)
}
