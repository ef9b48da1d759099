/**
 * The 32-bit finaliser of MurmurHash3: a bijection on 32-bit words in which
 * every input bit flips each output bit about half of the time.
 *
 * @returns A signed 32-bit integer; take `>>> 0` for the unsigned one.
 * @see https://github.com/aappleby/smhasher (MurmurHash3.cpp, fmix32)
 */
export function mix32(word: number): number {
  let mixed = word
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
