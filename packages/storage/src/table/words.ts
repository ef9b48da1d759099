const HOST_IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** The big-endian u32 of `bytes` as numbers, in place where they lie aligned. */
export function wordsOf(bytes: Buffer): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Buffer.from(new Uint8Array(bytes).buffer)
  if (HOST_IS_LITTLE_ENDIAN) aligned.swap32()
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4)
}

/** The numbers as big-endian u32, in place: the array is of no use afterwards. */
export function bytesOfWords(words: Uint32Array<ArrayBuffer>): Buffer {
  const bytes = Buffer.from(words.buffer, words.byteOffset, words.byteLength)
  return HOST_IS_LITTLE_ENDIAN ? bytes.swap32() : bytes
}
