import type { Disk } from '../../src'

export interface DiskHarness {
  readonly disk: Disk
  /** An empty directory of the test's own. */
  readonly directory: string
  /** Runs the test's body; under simulation it steps the world meanwhile. */
  run<T>(body: () => Promise<T>): Promise<T>
}

const text = (...parts: string[]) => parts.map((part) => Buffer.from(part))

/** What every `Disk` promises, as far as a single life of a process can see. */
export function diskConformance(name: string, makeHarness: () => Promise<DiskHarness>): void {
  let harness: DiskHarness
  let disk: Disk
  let path: (name: string) => string

  beforeEach(async () => {
    harness = await makeHarness()
    disk = harness.disk
    path = (name) => `${harness.directory}/${name}`
  })

  const check = (title: string, body: () => Promise<void>) =>
    it(`${name}: ${title}`, () => harness.run(body))

  async function write(name: string, contents: string): Promise<void> {
    const file = await disk.open(path(name), 'append')
    await file.append(text(contents))
    await file.close()
  }

  check('append: several buffers: one after the other, visible to readers', async () => {
    const file = await disk.open(path('log'), 'create')
    await file.append(text('one ', '', 'two '))
    await file.append(text('three'))
    expect(await file.size()).toBe(13)
    expect((await disk.readFile(path('log'))).toString()).toBe('one two three')
    await file.close()
  })

  check('append: more buffers than one system call takes: all written', async () => {
    const file = await disk.open(path('log'), 'create')
    const buffers = Array.from({ length: 3_000 }, (_, index) => Buffer.from(`${index},`))
    await file.append(buffers)
    await file.close()
    expect(await disk.readFile(path('log'))).toEqual(Buffer.concat(buffers))
  })

  check('append: nothing: fine', async () => {
    const file = await disk.open(path('log'), 'create')
    await file.append([])
    await file.append([Buffer.alloc(0)])
    expect(await file.size()).toBe(0)
    await file.close()
  })

  check('open append: existing file: goes on at its end', async () => {
    await write('log', 'abc')
    await write('log', 'def')
    expect((await disk.readFile(path('log'))).toString()).toBe('abcdef')
  })

  check('open: missing or present against the mode: ENOENT, EEXIST', async () => {
    await expect(disk.open(path('none'), 'read')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(disk.open(path('no/file'), 'append')).rejects.toMatchObject({ code: 'ENOENT' })
    await write('there', 'x')
    await expect(disk.open(path('there'), 'create')).rejects.toMatchObject({ code: 'EEXIST' })
  })

  check('read: inside, across and beyond the end: bytes that are there', async () => {
    await write('log', '0123456789')
    const file = await disk.open(path('log'), 'read')
    const target = Buffer.alloc(4)
    expect(await file.read(target, 3)).toBe(4)
    expect(target.toString()).toBe('3456')
    expect(await file.read(target, 8)).toBe(2)
    expect(target.subarray(0, 2).toString()).toBe('89')
    expect(await file.read(target, 10)).toBe(0)
    expect(await file.read(target, 99)).toBe(0)
    await file.close()
  })

  check('read: many at once: each its own bytes', async () => {
    const contents = Buffer.from(Array.from({ length: 10_000 }, (_, index) => index & 255))
    const file = await disk.open(path('log'), 'create')
    await file.append([contents])
    const reads = Array.from({ length: 50 }, async (_, index) => {
      const target = Buffer.alloc(100)
      expect(await file.read(target, index * 200)).toBe(100)
      expect(target).toEqual(contents.subarray(index * 200, index * 200 + 100))
    })
    await Promise.all(reads)
    await file.close()
  })

  check('appendSync: between appends: one after the other; EBADF after close', async () => {
    const file = await disk.open(path('log'), 'create')
    await file.append(text('one '))
    file.appendSync(text('two ', '', 'three '))
    await file.append(text('four'))
    expect((await disk.readFile(path('log'))).toString()).toBe('one two three four')
    const many = Array.from({ length: 3_000 }, (_, index) => Buffer.from(`${index},`))
    file.appendSync(many)
    expect(await file.size()).toBe(18 + Buffer.concat(many).length)
    const closing = file.close()
    expect(() => file.appendSync(text('x'))).toThrow(expect.objectContaining({ code: 'EBADF' }))
    await closing
  })

  check('readSync: inside, across and beyond the end: as read; EBADF after close', async () => {
    await write('log', '0123456789')
    const file = await disk.open(path('log'), 'read')
    const target = Buffer.alloc(4)
    expect(file.readSync(target, 3)).toBe(4)
    expect(target.toString()).toBe('3456')
    expect(file.readSync(target, 8)).toBe(2)
    expect(target.toString()).toBe('8956')
    expect(file.readSync(target, 10)).toBe(0)
    expect(file.readSync(Buffer.alloc(0), 0)).toBe(0)
    expect(await file.read(Buffer.alloc(0), 0)).toBe(0)
    const closing = file.close()
    expect(() => file.readSync(target, 0)).toThrow(expect.objectContaining({ code: 'EBADF' }))
    await expect(file.read(target, 0)).rejects.toMatchObject({ code: 'EBADF' })
    await closing
  })

  check('read: under way when the file is closed: completes', async () => {
    const contents = Buffer.alloc(1_000_000, 7)
    const file = await disk.open(path('log'), 'create')
    await file.append([contents])
    const target = Buffer.alloc(contents.length)
    const [count] = await Promise.all([file.read(target, 0), file.close()])
    expect(count).toBe(contents.length)
    expect(target.equals(contents)).toBe(true)
  })

  check('truncate: then append: follows the cut', async () => {
    const file = await disk.open(path('log'), 'append')
    await file.append(text('keep', 'torn'))
    await file.truncate(4)
    expect(await file.size()).toBe(4)
    await file.append(text('!'))
    await file.sync()
    await file.close()
    expect((await disk.readFile(path('log'))).toString()).toBe('keep!')
  })

  check('close: twice, and use after it: idempotent, EBADF', async () => {
    const file = await disk.open(path('log'), 'create')
    const writing = file.append([Buffer.alloc(1_000_000)])
    await Promise.all([writing, file.close(), file.close()])
    await expect(file.append(text('x'))).rejects.toMatchObject({ code: 'EBADF' })
    await expect(file.size()).rejects.toMatchObject({ code: 'EBADF' })
    expect((await disk.readFile(path('log'))).length).toBe(1_000_000)
  })

  check('list: files and folders: sorted by bytes; ENOENT when missing', async () => {
    for (const name of ['b', 'a', 'Z', 'é', '\u{ffee}', '\u{1f600}', '10', '9']) {
      await write(name, '')
    }
    await disk.makeDirectory(path('c/d'))
    const names = ['10', '9', 'Z', 'a', 'b', 'c', 'é', '\u{ffee}', '\u{1f600}']
    expect(await disk.list(harness.directory)).toEqual(names)
    await expect(disk.list(path('none'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  check('makeDirectory: nested, repeated, over a file: fine, fine, EEXIST', async () => {
    await disk.makeDirectory(path('x/y/z'))
    await disk.makeDirectory(path('x/y/z'))
    await disk.makeDirectory(path('x/y/other'))
    expect(await disk.list(path('x/y'))).toEqual(['other', 'z'])
    await write('file', '')
    await expect(disk.makeDirectory(path('file'))).rejects.toMatchObject({ code: 'EEXIST' })
  })

  check('rename: onto another file: replaces it; ENOENT without a source', async () => {
    await write('new', 'new')
    await write('old', 'old')
    const reader = await disk.open(path('old'), 'read')
    await disk.rename(path('new'), path('old'))
    await disk.syncDirectory(harness.directory)
    expect((await disk.readFile(path('old'))).toString()).toBe('new')
    expect(await disk.list(harness.directory)).toEqual(['old'])
    const target = Buffer.alloc(3)
    await reader.read(target, 0)
    expect(target.toString()).toBe('old')
    await reader.close()
    const again = disk.rename(path('new'), path('old'))
    await expect(again).rejects.toMatchObject({ code: 'ENOENT' })
  })

  check('link: two names of one file: shared contents, removed one by one', async () => {
    await write('one', 'abc')
    await disk.link(path('one'), path('two'))
    expect(await disk.list(harness.directory)).toEqual(['one', 'two'])
    await write('two', 'def')
    expect((await disk.readFile(path('one'))).toString()).toBe('abcdef')
    await disk.unlink(path('one'))
    expect(await disk.list(harness.directory)).toEqual(['two'])
    expect((await disk.readFile(path('two'))).toString()).toBe('abcdef')
  })

  check('link: target there, source or folder missing: EEXIST, ENOENT', async () => {
    await write('one', 'abc')
    await write('two', 'x')
    await disk.makeDirectory(path('folder'))
    const link = (from: string, to: string) => disk.link(path(from), path(to))
    await expect(link('one', 'two')).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(link('one', 'one')).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(link('one', 'folder')).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(link('none', 'three')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(link('one', 'no/three')).rejects.toMatchObject({ code: 'ENOENT' })
    expect((await disk.readFile(path('two'))).toString()).toBe('x')
    await link('one', 'folder/one')
    expect(await disk.list(path('folder'))).toEqual(['one'])
  })

  check('rename: between two names of one file: both stay', async () => {
    await write('one', 'abc')
    await disk.link(path('one'), path('two'))
    await disk.rename(path('one'), path('two'))
    expect(await disk.list(harness.directory)).toEqual(['one', 'two'])
  })

  check('freeBytes: of a file or folder: a number of bytes; ENOENT when missing', async () => {
    await write('log', 'abc')
    for (const place of [harness.directory, path('log')]) {
      expect(await disk.freeBytes(place)).toBeGreaterThan(0)
    }
    await expect(disk.freeBytes(path('none'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  check('unlink: open file: gone from the folder, still readable; ENOENT twice', async () => {
    await write('log', 'abc')
    const reader = await disk.open(path('log'), 'read')
    await disk.unlink(path('log'))
    expect(await disk.list(harness.directory)).toEqual([])
    expect(await reader.read(Buffer.alloc(3), 0)).toBe(3)
    await reader.close()
    await expect(disk.unlink(path('log'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  check('syncDirectory: missing: ENOENT', async () => {
    await expect(disk.syncDirectory(path('none'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  check('lock: held by this process: refused until released', async () => {
    const lock = await disk.lock(path('LOCK'))
    await expect(disk.lock(path('LOCK'))).rejects.toMatchObject({ code: 'ELOCKED' })
    await expect(disk.lock(path('LOCK'))).rejects.toThrow(path('LOCK'))
    expect(await disk.list(harness.directory)).toEqual(['LOCK'])
    await Promise.all([lock.release(), lock.release()])
    expect(await disk.list(harness.directory)).toEqual([])
    await (await disk.lock(path('LOCK'))).release()
  })
}
