/** Of so many parts each is a large one. */
const LARGE_PARTS = 8

/**
 * Takes out of `items` what is not needed for `fails` to stay true, by halves, quarters, and so on down
 * to single ones. `fails` is asked for subsets only, and is true for `items` itself.
 *
 * @see Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 2002. Only
 * complements are tried: in our plans a small part alone seldom fails.
 */
export async function ddmin<Item>(
  items: readonly Item[],
  /** @param isLarge Whether this is one of the few tries that take out much. */
  fails: (kept: readonly Item[], isLarge: boolean) => Promise<boolean>,
): Promise<readonly Item[]> {
  let kept = items
  if (kept.length > 0 && (await fails([], true))) return []
  let parts = 2
  while (kept.length > 1) {
    const size = Math.ceil(kept.length / parts)
    let smaller: readonly Item[] | undefined
    // From the end: what comes last matters least often to what comes before.
    for (let from = (Math.ceil(kept.length / size) - 1) * size; from >= 0; from -= size) {
      const rest = [...kept.slice(0, from), ...kept.slice(from + size)]
      if (rest.length === 0 || !(await fails(rest, parts <= LARGE_PARTS))) continue
      kept = rest
      smaller = rest
    }
    if (smaller === undefined && size === 1) break
    parts = smaller === undefined ? Math.min(kept.length, parts * 2) : Math.max(2, parts)
  }
  return kept
}
