import { complete } from '../../src/shell/complete'

describe('complete: candidates', () => {
  test.each<[string, string[], string]>([
    ['ge', ['get '], 'ge'],
    ['  ge', ['get '], 'ge'],
    ['GE', ['get '], 'GE'],
    ['ex', ['exists ', 'explain ', 'exit '], 'ex'],
    ['get k', [], 'k'],
    ['get k --con', ['--consistency '], '--con'],
    ['get k --consistency q', ['QUORUM '], 'q'],
    ['get k --consistency ', ['ONE ', 'TWO ', 'THREE ', 'QUORUM ', 'ALL '], ''],
    ['set k v --as j', ['json '], 'j'],
    ['set k v --ttl ', [], ''],
    ['get k --json --js', [], '--js'],
    ['where k --con', [], '--con'],
    ['rep', ['repair '], 'rep'],
    ['repair --pa', ['--partition '], '--pa'],
    ['consistency a', ['ALL '], 'a'],
    ['consistency ALL ', [], ''],
    ['timing o', ['on ', 'off '], 'o'],
    ['help sc', ['scan '], 'sc'],
    ['quit ', [], ''],
    ['frobnicate --', [], '--'],
  ])('%j: offers %j', (line, candidates, replaced) => {
    expect(complete(line)).toEqual([candidates, replaced])
  })

  test('nothing typed: offers every word of the shell', () => {
    expect(complete('')[0]).toEqual(expect.arrayContaining(['get ', 'set ', 'help ', 'timing ']))
  })
})
