/** Nearest-looking of `names` to a mistyped `text`; undefined when none is near. */
export function nearest(text: string, names: readonly string[]): string | undefined {
  const typed = text.toLowerCase()
  const allowed = typed.length <= 3 ? 1 : 2
  let best: string | undefined
  let bestDistance = allowed + 1
  for (const name of names) {
    const distance = editDistance(typed, name.toLowerCase())
    if (distance < bestDistance) {
      best = name
      bestDistance = distance
    }
  }
  // The beginning of a word, or a word and more: `con` for `consistency`, `delete` for `del`.
  return best ?? names.find((name) => typed.length > 1 && isOneBeginning(name, typed))
}

/** Insertions, removals, replacements and swaps of neighbours that make `b` of `a`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const changed = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      let distance = Math.min(changed, last[j]! + 1, row[j - 1]! + 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) distance = Math.min(distance, beforeLast[j - 2]! + 1)
      row.push(distance)
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}

function isOneBeginning(name: string, typed: string): boolean {
  return name.toLowerCase().startsWith(typed) || (name.length > 2 && typed.startsWith(name))
}
