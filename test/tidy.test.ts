import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { ERROR_CODES } from '@cassiopeia/protocol'

const root = resolve(__dirname, '..')

/** Who may import whom: the map in docs/ARCHITECTURE.md. */
const IMPORTS: Readonly<Record<string, readonly string[]>> = {
  env: [],
  protocol: [],
  placement: ['protocol'],
  storage: ['env', 'protocol'],
  server: ['env', 'placement', 'protocol', 'storage'],
  client: ['env', 'placement', 'protocol'],
  cli: ['client', 'env', 'placement', 'protocol', 'server'],
}

/** Files that decide and must stay pure; a folder stands for all of its files. */
const PURE = [
  'packages/protocol/src',
  'packages/placement/src',
  'packages/storage/src/memtable',
  'packages/storage/src/commit-log/format.ts',
  'packages/storage/src/compaction',
  'packages/storage/src/digest',
  'packages/storage/src/engine/install.ts',
  'packages/storage/src/engine/lookup.ts',
  'packages/storage/src/engine/run.ts',
  'packages/storage/src/engine/throttle.ts',
  'packages/storage/src/engine/version.ts',
  'packages/storage/src/manifest/format.ts',
  'packages/storage/src/table/block-builder.ts',
  'packages/storage/src/table/block.ts',
  'packages/storage/src/table/filter.ts',
  'packages/storage/src/table/format.ts',
  'packages/storage/src/table/locator.ts',
  'packages/storage/src/table/separators.ts',
  'packages/storage/src/table/table-index.ts',
  'packages/server/src/hints/hint-format.ts',
  'packages/server/src/hints/gathered-batch.ts',
  'packages/server/src/repair/fences.ts',
  'packages/server/src/repair/entries.ts',
  'packages/server/src/coordinator/write-core.ts',
  'packages/server/src/coordinator/read-core.ts',
  'packages/server/src/coordinator/hybrid-clock.ts',
  'packages/server/src/coordinator/deadline-wheel.ts',
  'packages/server/src/gossip/gossip-core.ts',
  'packages/server/src/gossip/phi-accrual.ts',
  'packages/server/src/gossip/endpoint-state.ts',
  'packages/server/src/topology/founding-core.ts',
  'packages/client/src/retry-policy.ts',
  'packages/client/src/routing-policy.ts',
]

const IMPURE =
  /\b(async|await)\b|\bnew Date\b|\bDate\.|\bMath\.random\b|\bperformance\b|\bset(Timeout|Interval|Immediate)\b|\bprocess\./

function filesUnder(path: string, ending = '.ts'): string[] {
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path).flatMap((name) => {
    if (name === 'node_modules' || name === 'dist') return []
    const child = join(path, name)
    if (statSync(child).isDirectory()) return filesUnder(child, ending)
    return name.endsWith(ending) ? [child] : []
  })
}

function sources(name: string): string[] {
  return filesUnder(join(root, 'packages', name, 'src'))
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1')
}

function importsOf(file: string): string[] {
  const text = withoutComments(readFileSync(file, 'utf8'))
  const pattern = /(?:from\s+|import\s*\(\s*|import\s+|require\(\s*)'([^']+)'/g
  return [...text.matchAll(pattern)].map((match) => match[1]!)
}

describe('tidy', () => {
  test.each(Object.entries(IMPORTS))('tidy: imports of %s: only %j', (name, allowed) => {
    const files = sources(name)
    expect(files.length).toBeGreaterThan(0)
    for (const file of files) {
      for (const target of importsOf(file)) {
        const where = `${relative(root, file)} imports ${target}`
        const own = /^@cassiopeia\/([a-z]+)(\/.*)?$/.exec(target)
        if (own !== null) {
          expect([where, allowed.includes(own[1]!), own[2]]).toEqual([where, true, undefined])
        } else if (target.startsWith('.')) {
          const inside = !relative(join(root, 'packages', name, 'src'), resolve(file, '..', target))
          const escapes = relative(join(root, 'packages', name), resolve(file, '..', target))
          expect([where, inside || !escapes.startsWith('..')]).toEqual([where, true])
        }
      }
    }
  })

  test.each(Object.keys(IMPORTS))('tidy: dependencies of %s: those that it imports', (name) => {
    const manifest = JSON.parse(
      readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'),
    ) as { dependencies?: Record<string, string> }
    const used = new Set<string>()
    for (const file of sources(name)) {
      for (const target of importsOf(file)) {
        if (target.startsWith('.') || target.startsWith('node:')) continue
        used.add(
          target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : target.split('/')[0]!,
        )
      }
    }
    expect(Object.keys(manifest.dependencies ?? {}).sort()).toEqual([...used].sort())
  })

  test('tidy: pure files: no time, chance, promises or node modules', () => {
    const allowed = new Set(['node:buffer', 'node:crypto', 'node:zlib'])
    for (const path of PURE) {
      for (const file of filesUnder(join(root, path))) {
        const name = relative(root, file)
        const impure = IMPURE.exec(withoutComments(readFileSync(file, 'utf8')))?.[0]
        expect([name, impure]).toEqual([name, undefined])
        const modules = importsOf(file).filter((target) => target.startsWith('node:'))
        const mayHash = path === 'packages/protocol/src'
        const stray = modules.filter((target) => !mayHash || !allowed.has(target))
        expect([name, stray.filter((target) => target !== 'node:buffer')]).toEqual([name, []])
      }
    }
  })

  test('tidy: chance: from the Random port only', () => {
    for (const name of Object.keys(IMPORTS).filter((each) => each !== 'env')) {
      for (const file of sources(name)) {
        const found = /Math\.random/.exec(withoutComments(readFileSync(file, 'utf8')))?.[0]
        expect([relative(root, file), found]).toEqual([relative(root, file), undefined])
      }
    }
  })

  test('tidy: modules: no mutable state outside instances', () => {
    for (const name of Object.keys(IMPORTS).filter((each) => each !== 'cli')) {
      for (const file of sources(name)) {
        const text = withoutComments(readFileSync(file, 'utf8'))
        const found = /^(?:export )?(?:let|var) .*$/m.exec(text)?.[0]
        expect([relative(root, file), found]).toEqual([relative(root, file), undefined])
      }
    }
  })

  test('tidy: error codes: docs/ERRORS.md names all of them and no other', () => {
    const text = readFileSync(join(root, 'docs/ERRORS.md'), 'utf8')
    const documented = [...text.matchAll(/^\| `(CASSIO_[A-Z_]+)` \|/gm)].map((match) => match[1]!)
    expect(documented.sort()).toEqual(Object.keys(ERROR_CODES).sort())
  })

  test('tidy: source files: under 500 lines', () => {
    for (const name of Object.keys(IMPORTS)) {
      for (const file of sources(name)) {
        const lines = readFileSync(file, 'utf8').split('\n').length
        expect([relative(root, file), lines < 500]).toEqual([relative(root, file), true])
      }
    }
  })

  test('tidy: links: files that the documents name exist', () => {
    const documents = [
      ...filesUnder(join(root, 'docs'), '.md'),
      ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md'].map((name) => join(root, name)),
    ]
    for (const document of documents) {
      const text = readFileSync(document, 'utf8')
      for (const [, target] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
        const path = resolve(document, '..', target!)
        expect([relative(root, document), target, exists(path)]).toEqual([
          relative(root, document),
          target,
          true,
        ])
      }
    }
  })
})

function exists(path: string): boolean {
  try {
    statSync(path)
    return true
  } catch {
    return false
  }
}
