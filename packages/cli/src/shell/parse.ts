/**
 * Turns a line of the shell into words. Pure.
 *
 * Blanks separate words. 'single quotes' keep everything as it is; "double quotes" know the escapes
 * of JSON, and \xNN for a byte and \0 for a zero byte. Pieces that touch are one word. A word whose bytes
 * are not valid UTF-8 is a Buffer, and b"…" always is one; every other word is a string. Outside
 * quotes a backslash is a character like any other. A line whose first character is # is a comment.
 */

/** What a user typed: text, or bytes that no text can carry. */
export type Data = string | Buffer

export interface Word {
  readonly value: Data
  /** Whether it begins with a quote; such a word is data, never an option. */
  readonly quoted: boolean
  /** Where the word lies in the line: [start, end). */
  readonly start: number
  readonly end: number
}

/** The line is no row of words; `at` is the offset of what is wrong. */
export class ShellSyntaxError extends Error {
  override readonly name = 'ShellSyntaxError'

  constructor(
    message: string,
    readonly at: number,
  ) {
    super(message)
  }
}

/** @throws ShellSyntaxError for a quote left open or an escape that means nothing. */
export function splitWords(line: string): Word[] {
  const words: Word[] = []
  let at = skipBlanks(line, 0)
  if (line[at] === '#') return words
  while (at < line.length) {
    const word = readWord(line, at)
    words.push(word)
    at = skipBlanks(line, word.end)
  }
  return words
}

/**
 * Reads escapes in `text` as double quotes do.
 * @throws ShellSyntaxError for an escape that means nothing.
 */
export function readEscapes(text: string): Data {
  const bytes = new WordBytes()
  for (let at = 0; at < text.length; ) {
    if (text[at] === '\\') {
      at = readEscape(text, at, bytes)
    } else {
      const run = runOf(UNESCAPED, text, at)
      bytes.addText(run)
      at += run.length
    }
  }
  return bytes.finish(false)
}

function readWord(line: string, start: number): Word {
  const bytes = new WordBytes()
  const isBytes = line.startsWith('b"', start)
  const quoted = isBytes || line[start] === '"' || line[start] === "'"
  let at = isBytes ? start + 1 : start
  while (at < line.length && !isBlank(line[at]!)) {
    const character = line[at]!
    if (character === "'") {
      at = readSingleQuotes(line, at, bytes)
    } else if (character === '"') {
      at = readDoubleQuotes(line, at, bytes)
    } else {
      const run = runOf(BARE, line, at)
      bytes.addText(run)
      at += run.length
    }
  }
  return { value: bytes.finish(isBytes), quoted, start, end: at }
}

function readSingleQuotes(line: string, open: number, bytes: WordBytes): number {
  const close = line.indexOf("'", open + 1)
  if (close === -1) throw new ShellSyntaxError('a single quote is not closed', open)
  bytes.addText(line.slice(open + 1, close))
  return close + 1
}

function readDoubleQuotes(line: string, open: number, bytes: WordBytes): number {
  let at = open + 1
  while (at < line.length) {
    const character = line[at]!
    if (character === '"') return at + 1
    if (character === '\\') {
      at = readEscape(line, at, bytes)
    } else {
      const run = runOf(PLAIN, line, at)
      bytes.addText(run)
      at += run.length
    }
  }
  throw new ShellSyntaxError('a double quote is not closed', open)
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = Object.freeze({
  '\\': '\\',
  '"': '"',
  "'": "'",
  '/': '/',
  0: '\0',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
})

/** @returns the offset behind the escape that begins at `at`. */
function readEscape(text: string, at: number, bytes: WordBytes): number {
  const letter = text[at + 1] ?? ''
  const simple = Object.hasOwn(SIMPLE_ESCAPES, letter) ? SIMPLE_ESCAPES[letter] : undefined
  if (simple !== undefined) {
    bytes.addText(simple)
    return at + 2
  }
  if (letter === 'x') {
    bytes.addByte(readHex(text, at, 2))
    return at + 4
  }
  if (letter === 'u') {
    bytes.addText(String.fromCharCode(readHex(text, at, 4)))
    return at + 6
  }
  const what = letter === '' ? 'a backslash ends the line' : `\\${letter} is not an escape`
  throw new ShellSyntaxError(`${what}; there are \\xNN \\uNNNN \\n \\r \\t \\0 \\" \\\\`, at)
}

function readHex(text: string, at: number, digits: number): number {
  const hex = text.slice(at + 2, at + 2 + digits)
  if (hex.length === digits && /^[0-9a-fA-F]+$/.test(hex)) return Number.parseInt(hex, 16)
  throw new ShellSyntaxError(`\\${text[at + 1]} needs ${digits} hexadecimal digits`, at)
}

/** Collects a word from text and single bytes, and decides which of the two it is. */
class WordBytes {
  private readonly chunks: Buffer[] = []
  private text = ''

  addText(text: string): void {
    this.text += text
  }

  addByte(byte: number): void {
    if (byte < 0x80) {
      this.text += String.fromCharCode(byte)
      return
    }
    this.flushText()
    this.chunks.push(Buffer.from([byte]))
  }

  finish(asBytes: boolean): Data {
    if (this.chunks.length === 0 && !asBytes) {
      checkPairs(this.text)
      return this.text
    }
    this.flushText()
    const bytes = Buffer.concat(this.chunks)
    return asBytes ? bytes : textOrBytes(bytes)
  }

  private flushText(): void {
    if (this.text === '') return
    checkPairs(this.text)
    this.chunks.push(Buffer.from(this.text, 'utf8'))
    this.text = ''
  }
}

/** The text that `bytes` are the UTF-8 form of, or the bytes themselves when they are no text. */
export function textOrBytes(bytes: Buffer): Data {
  const text = bytes.toString('utf8')
  // Only then can something have been replaced by U+FFFD.
  if (!text.includes('\ufffd') || Buffer.from(text, 'utf8').equals(bytes)) return text
  return bytes
}

function checkPairs(text: string): void {
  const at = text.search(/\p{Surrogate}/u)
  if (at === -1) return
  const half = text.charCodeAt(at).toString(16)
  throw new ShellSyntaxError(`\\u${half} is half of a pair of surrogates`, 0)
}

/** Characters that mean themselves: outside quotes, inside double quotes, and without quotes. */
const BARE = /[^ \t\r\n'"]+/y
const PLAIN = /[^"\\]+/y
const UNESCAPED = /[^\\]+/y

/** The run of characters at `at` that `pattern`, which is sticky, matches: one at least. */
function runOf(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at
  return pattern.exec(text)![0]
}

function skipBlanks(line: string, from: number): number {
  let at = from
  while (at < line.length && isBlank(line[at]!)) at += 1
  return at
}

function isBlank(character: string): boolean {
  return character === ' ' || character === '\t' || character === '\r' || character === '\n'
}
