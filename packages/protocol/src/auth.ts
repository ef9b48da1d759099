import { createHmac, timingSafeEqual } from 'node:crypto'

/** Bytes of a nonce; both sides give one, so neither can be answered from a recording. */
export const NONCE_BYTES = 32

/**
 * Proof of a shared secret that never crosses the wire: HMAC-SHA-256 over who proves, both nonces
 * and what was agreed, so a proof serves one side of one handshake only.
 *
 * @param agreed What the two sides claim about themselves; a change by a third breaks the proof.
 * @see RFC 2104
 */
export function proveSecret(
  secret: string,
  prover: 'dialler' | 'acceptor',
  diallerNonce: Buffer,
  acceptorNonce: Buffer,
  agreed: string,
): Buffer {
  return createHmac('sha256', secret)
    .update(`cassiopeia 1 ${prover}\n`)
    .update(diallerNonce)
    .update(acceptorNonce)
    .update(agreed, 'utf8')
    .digest()
}

/** Compares in constant time; proofs of another length are unequal. */
export function proofMatches(expected: Buffer, given: unknown): boolean {
  return (
    given instanceof Uint8Array &&
    given.length === expected.length &&
    timingSafeEqual(expected, given)
  )
}
