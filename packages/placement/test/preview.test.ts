import { nextPlacement, previewMembership } from '../src'
import { joins, membersOf, nodeIds, OPTIONS } from './support'

test('preview: several changes: each continues from the table of the one before', () => {
  const members = membersOf(nodeIds(6))
  const founded = nextPlacement(undefined, members.slice(0, 3), OPTIONS)
  const previews = [...previewMembership(founded, joins(members, 4, 6), OPTIONS)]
  expect(previews.map(({ memberCount }) => memberCount)).toEqual([4, 5, 6])
  let table = founded
  for (const preview of previews) {
    table = nextPlacement(table, members.slice(0, preview.memberCount), OPTIONS)
    expect(preview.table.equals(table)).toBe(true)
  }
})
