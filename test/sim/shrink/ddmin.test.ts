import { ddmin } from './ddmin'

/** @returns what is left when a list fails as long as it has all of `needed`. */
async function shrunk(
  length: number,
  needed: readonly number[],
): Promise<{ left: readonly number[]; asked: number }> {
  const items = Array.from({ length }, (_, index) => index)
  let asked = 0
  const left = await ddmin(items, async (kept) => {
    asked += 1
    expect(kept.length).toBeLessThan(length)
    return needed.every((each) => kept.includes(each))
  })
  return { left, asked }
}

test.each([
  [100, []],
  [100, [0]],
  [100, [99]],
  [100, [17, 18, 80]],
  [7, [0, 1, 2, 3, 4, 5, 6]],
  [1, [0]],
  [0, []],
])('ddmin: %i items of which %j are needed: exactly those are left', async (length, needed) => {
  const { left, asked } = await shrunk(length, needed)
  expect(left).toEqual(needed)
  expect(asked).toBeLessThan(150)
})
