/** The few colours that the command uses, or none of them. Pure. */
export interface Style {
  bold(text: string): string
  dim(text: string): string
  red(text: string): string
  green(text: string): string
  yellow(text: string): string
}

const same = (text: string): string => text
const sgr = (on: number, off: number) => (text: string) => `\u001b[${on}m${text}\u001b[${off}m`

export const plainStyle: Style = Object.freeze({
  bold: same,
  dim: same,
  red: same,
  green: same,
  yellow: same,
})

/** SGR sequences that every terminal of today knows. @see ECMA-48, 8.3.117 */
export const ansiStyle: Style = Object.freeze({
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  red: sgr(31, 39),
  green: sgr(32, 39),
  yellow: sgr(33, 39),
})

/**
 * Colours on a terminal only, and none with NO_COLOR or TERM=dumb.
 * @see https://no-color.org
 */
export function styleFor(
  stream: { isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): Style {
  const unwanted = (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb'
  return stream.isTTY === true && !unwanted ? ansiStyle : plainStyle
}
