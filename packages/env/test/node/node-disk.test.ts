import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { NodeDisk } from '../../src'
import { diskConformance } from '../conformance/disk-conformance'

const directories: string[] = []

function makeTemporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'cassiopeia-env-'))
  directories.push(directory)
  return directory
}

afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

diskConformance('node disk', async () => ({
  disk: new NodeDisk(),
  directory: makeTemporary(),
  run: (body) => body(),
}))

describe('node disk', () => {
  it('node disk: read with impossible arguments: rejected, and close does not wait for it', async () => {
    const file = await new NodeDisk().open(join(makeTemporary(), 'log'), 'create')
    await expect(file.read(Buffer.alloc(1), 0.5)).rejects.toMatchObject({
      code: 'ERR_OUT_OF_RANGE',
    })
    await file.close()
  })

  const sharedMemory = '/dev/shm'
  const hasTwo =
    existsSync(sharedMemory) && statSync(sharedMemory).dev !== statSync(tmpdir()).dev ? it : it.skip
  hasTwo('node disk: link to another file system: EXDEV', async () => {
    const from = join(makeTemporary(), 'file')
    writeFileSync(from, '')
    const link = new NodeDisk().link(from, join(sharedMemory, `cassiopeia-env-${process.pid}`))
    await expect(link).rejects.toMatchObject({ code: 'EXDEV' })
  })

  it('node disk: freeBytes: what the system says that users may still write', async () => {
    const directory = makeTemporary()
    const { bavail, bsize } = statfsSync(directory)
    const free = await new NodeDisk().freeBytes(directory)
    // Others write meanwhile.
    expect(Math.abs(free - bavail * bsize)).toBeLessThan(2 ** 30)
  })
})

/** Real processes run the compiled package: `npm run build` comes first. */
const compiled = resolve(__dirname, '../../dist/index.js')

const lockerProgram = `
const { NodeDisk } = require(process.argv[1])
process.stdin.once('data', () => {
  new NodeDisk().lock(process.argv[2]).then(
    () => console.log('locked'),
    (error) => console.log(error.code, error.message),
  )
})
process.stdin.on('end', () => process.exit())
console.log('ready')
`

class Locker {
  readonly child: ChildProcess
  private output = ''
  private wake: () => void = () => {}

  constructor(path: string) {
    this.child = spawn(process.execPath, ['-e', lockerProgram, compiled, path])
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk) => {
        this.output += chunk
        this.wake()
      })
    }
  }

  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.output)
      if (match !== null) return match[0]
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
  }

  async lock(): Promise<string> {
    await this.line(/ready/)
    this.child.stdin?.write('go')
    return this.line(/^(locked|E.*)$/m)
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exit = once(this.child, 'exit')
    this.child.kill(signal)
    await exit
  }
}

describe('node disk lock', () => {
  const disk = new NodeDisk()
  let path: string
  let lockers: Locker[]

  beforeEach(() => {
    path = join(makeTemporary(), 'LOCK')
    lockers = []
  })

  afterEach(async () => {
    await Promise.all(lockers.map((locker) => locker.end('SIGKILL')))
  })

  function locker(): Locker {
    const made = new Locker(path)
    lockers.push(made)
    return made
  }

  it('needs the compiled package', () => {
    expect(existsSync(compiled)).toBe(true)
  })

  it('node disk lock: held by another process: refused, naming its pid; free after kill -9', async () => {
    const owner = locker()
    expect(await owner.lock()).toBe('locked')
    const refused = disk.lock(path)
    await expect(refused).rejects.toMatchObject({ code: 'ELOCKED' })
    await expect(refused).rejects.toThrow(`pid ${owner.child.pid}`)
    await owner.end('SIGKILL')
    expect(existsSync(path)).toBe(true)
    const lock = await disk.lock(path)
    expect(readFileSync(path, 'utf8')).toMatch(new RegExp(`^${process.pid} `))
    await lock.release()
    expect(existsSync(path)).toBe(false)
  })

  it('node disk lock: files that a killed asker left: removed with the next lock', async () => {
    const dead = spawn(process.execPath, ['-e', ''])
    await once(dead, 'exit')
    writeFileSync(`${path}.left`, `${dead.pid} - id\n`)
    writeFileSync(`${path}.live`, `${process.pid} - id\n`)
    writeFileSync(`${path}.begun`, '')
    const lock = await disk.lock(path)
    const names = readdirSync(dirname(path))
    expect(names).not.toContain(basename(`${path}.left`))
    expect(names).toEqual(
      expect.arrayContaining([`${path}.live`, `${path}.begun`].map((each) => basename(each))),
    )
    await lock.release()
  })

  it('node disk lock: held here: another process is refused', async () => {
    const lock = await disk.lock(path)
    expect(await locker().lock()).toContain(`pid ${process.pid}`)
    await lock.release()
    expect(await locker().lock()).toBe('locked')
  })

  it('node disk lock: many find a dead owner at once: one takes over', async () => {
    const owner = locker()
    await owner.lock()
    await owner.end('SIGKILL')
    const rivals = Array.from({ length: 6 }, locker)
    await Promise.all(rivals.map((rival) => rival.line(/ready/)))
    const answers = await Promise.all(rivals.map((rival) => rival.lock()))
    expect(answers.filter((answer) => answer === 'locked')).toHaveLength(1)
    expect(answers.filter((answer) => answer.startsWith('ELOCKED'))).toHaveLength(5)
  })

  it('node disk lock: within one process, many at once: one wins', async () => {
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => disk.lock(path)))
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
    expect(await disk.list(join(path, '..'))).toEqual(['LOCK'])
  })

  it('node disk lock: file torn by a power cut: taken over', async () => {
    writeFileSync(path, '')
    await (await disk.lock(path)).release()
    writeFileSync(path, '123')
    await (await disk.lock(path)).release()
  })

  it('node disk lock: the takeover itself was cut short by a crash: taken over', async () => {
    writeFileSync(path, '')
    writeFileSync(`${path}.takeover`, '')
    await (await disk.lock(path)).release()
    expect(await disk.list(join(path, '..'))).toEqual([])
  })

  const onLinux = process.platform === 'linux' ? it : it.skip
  onLinux('node disk lock: pid used again by another process: taken over', async () => {
    writeFileSync(path, `${process.pid} another-boot:1 0\n`)
    await (await disk.lock(path)).release()
    writeFileSync(path, `${process.ppid} another-boot:1 0\n`)
    await (await disk.lock(path)).release()
  })

  it('node disk lock: deleted by hand and locked anew: release leaves the new one', async () => {
    const first = await disk.lock(path)
    rmSync(path)
    const second = await disk.lock(path)
    await first.release()
    await expect(disk.lock(path)).rejects.toMatchObject({ code: 'ELOCKED' })
    await second.release()
  })
})
