import { plainStyle } from '../../src/render/style'
import { readArguments } from '../../src/shell/arguments'
import { splitWords } from '../../src/shell/parse'
import { findVerb, VERBS } from '../../src/verbs'
import { runVerb } from '../../src/verbs/run'
import { FakeClient, STAMP } from '../fake-client'
import { repairSummary } from '../samples'

const never = new AbortController().signal

/** Runs one verb as the shell would read it. */
async function run(line: string, client = new FakeClient(), connected = Promise.resolve()) {
  const [first, ...words] = splitWords(line)
  const input = readArguments(findVerb(String(first!.value))!, words)
  const written: Buffer[] = []
  const shown: string[] = []
  const finding = await runVerb(
    input,
    {
      client,
      connected,
      style: plainStyle,
      progress: { show: (each) => shown.push(each), clear: () => shown.push('') },
      write: async (bytes) => {
        written.push(Buffer.from(bytes))
      },
      readFile: async (path) => {
        if (path === 'missing') throw new Error('ENOENT: no such file')
        return Buffer.from(`contents of ${path}`)
      },
    },
    never,
  )
  const out = Buffer.concat(written)
  const options = client.calls.at(-1)?.[1]
  return { finding, out, text: out.toString(), client, options, shown }
}

async function clientWith(...lines: string[]): Promise<FakeClient> {
  const client = new FakeClient()
  for (const line of lines) await run(line, client)
  return client
}

describe('verbs: set', () => {
  test.each<[string, unknown]>([
    ['set k jiang', 'jiang'],
    ['set k 42', '42'],
    ['set k \'{"a":[1,null]}\' --as json', { a: [1, null] }],
    ['set k 42 --as json', 42],
    ['set k jiang --as bytes', Buffer.from('jiang')],
    ['set k AP8= --as base64', Buffer.from([0, 255])],
    ['set k b"\\xff"', Buffer.from([255])],
    ['set k b"abc" --as text', 'abc'],
    ['set k ""', ''],
    ['set k --file x.txt', Buffer.from('contents of x.txt')],
    ['set k --file x.txt --as text', 'contents of x.txt'],
  ])('%s: stores %p', async (line, value) => {
    const { client, text } = await run(line)
    expect(text).toBe('OK\n')
    expect((await client.getEntry('k', {}))?.value).toEqual(value)
  })

  test.each<[string, RegExp]>([
    ['set k', /needs a VALUE or --file PATH/],
    ['set k v --file x', /and not both/],
    ['set k --file missing', /--file: ENOENT/],
    ['set k {a} --as json', /not JSON: .*single quotes/],
    ['set k "a b" --as base64', /not base64/],
    ['set k b"\\xff" --as text', /not UTF-8/],
    ['set k v --as yaml', /--as is one of/],
    ['set k v --ttl soon', /--ttl: not a duration/],
    ['set k v --timeout-ms 0', /--timeout-ms is a whole number from 1/],
  ])('%s: is refused before anything is sent', async (line, message) => {
    const client = new FakeClient()
    const neverConnected = new Promise<void>(() => {})
    await expect(run(line, client, neverConnected)).rejects.toThrow(message)
    expect(client.calls).toEqual([])
  })

  test('options: reach the client', async () => {
    const { options } = await run(
      'set k v --ttl 60s --consistency all --timeout-ms 250 --timestamp 5-0-0123456789abcdef',
    )
    expect(options).toEqual({
      ttlMs: 60_000,
      consistency: 'ALL',
      timeoutMs: 250,
      timestamp: '5-0-0123456789abcdef',
      signal: never,
    })
  })

  test('--receipt: shows the stamp and who acknowledged', async () => {
    expect((await run('set k v --receipt')).text).toBe(
      `OK (stamp ${STAMP}, 2 acknowledged, 2 required)\n`,
    )
  })

  test('superseded: is told', async () => {
    const client = new FakeClient()
    client.superseded = true
    expect((await run('set k v', client)).text).toBe(
      'OK (superseded: the key already has a newer version)\n',
    )
  })
})

describe('verbs: mset, mget, del', () => {
  test('pairs: are stored and come back in the order asked', async () => {
    const client = new FakeClient()
    expect((await run('mset a 1 b 2', client)).text).toBe('OK\nOK\n')
    const { text, finding } = await run('mget b x a', client)
    expect(text).toBe('"2"\n(not found)\n"1"\n')
    expect(finding).toBe('missing')
    expect((await run('mget a b', client)).finding).toBe('found')
  })

  test('a key without a value: nothing is stored', async () => {
    const client = new FakeClient()
    await expect(run('mset a 1 b', client)).rejects.toThrow('3 words are no pairs')
    expect(client.calls).toEqual([])
  })

  test('del: answers for each key, there or not', async () => {
    const client = await clientWith('set a 1')
    expect((await run('del a b', client)).text).toBe('OK\nOK\n')
    expect(client.stored.size).toBe(0)
  })
})

describe('verbs: get, exists, ttl', () => {
  test('get --entry: shows stamp and expiry', async () => {
    const client = await clientWith('set a 1', 'set b 2 --ttl 60s')
    expect((await run('get a --entry', client)).text).toBe(
      `"1"\nstamp    ${STAMP} (2023-11-14T22:13:20.000Z)\nexpires  never\n`,
    )
    expect((await run('get b --entry', client)).text).toContain('expires  2023-11-14T22:13:20.000Z')
  })

  test('get --json: tells everything', async () => {
    const client = await clientWith('set a b"\\xff"')
    expect(JSON.parse((await run('get a --json', client)).text)).toEqual({
      key: 'a',
      found: true,
      value: { $bytes: '/w==' },
      stamp: STAMP,
      expires: null,
    })
  })

  test('get --raw: writes the bytes and nothing else', async () => {
    const client = await clientWith('set a "x\\n\\xff"', 'set b 1 --as json')
    expect((await run('get a --raw', client)).out).toEqual(Buffer.from([0x78, 0x0a, 0xff]))
    expect(await run('get x --raw', client)).toMatchObject({ text: '', finding: 'missing' })
    await expect(run('get b --raw', client)).rejects.toThrow('neither text nor bytes')
  })

  test('a missing key: is the answer no', async () => {
    expect(await run('get a')).toMatchObject({ text: '(not found)\n', finding: 'missing' })
    expect(await run('exists a')).toMatchObject({ text: 'false\n', finding: 'missing' })
    expect(await run('ttl a')).toMatchObject({ text: '(not found)\n', finding: 'missing' })
  })

  test('a key that is there: is the answer yes', async () => {
    const client = await clientWith('set a 1', 'set b 2 --ttl 60s')
    expect(await run('exists a', client)).toMatchObject({ text: 'true\n', finding: 'found' })
    expect(await run('ttl a', client)).toMatchObject({ text: '(no expiry)\n', finding: 'found' })
    expect((await run('ttl b', client)).text).toBe('59.8s\n')
    expect(JSON.parse((await run('ttl a --json', client)).text)).toMatchObject({ ttlMs: null })
  })

  test('a stored null: is a value', async () => {
    const client = await clientWith('set a null --as json')
    expect(await run('get a', client)).toMatchObject({ text: 'null\n', finding: 'found' })
    expect(await run('mget a', client)).toMatchObject({ text: 'null\n', finding: 'found' })
  })
})

describe('verbs: scan', () => {
  test('entries: one a line, key, tab, value; bytes as bytes', async () => {
    const client = await clientWith('set user:1 Ada', 'set b"user:\\xff" 2', 'set other x')
    expect((await run('scan user:', client)).text).toBe('"user:1"\t"Ada"\nb"user:\\xff"\t"2"\n')
    expect((await run('scan --keys', client)).text).toBe('"user:1"\nb"user:\\xff"\n"other"\n')
  })

  test('--limit: stops, and asks for no more than that', async () => {
    const client = await clientWith('set a 1', 'set b 2', 'set c 3')
    const { text, options } = await run('scan --limit 2', client)
    expect(text).toBe('"a"\t"1"\n"b"\t"2"\n')
    expect(options).toMatchObject({ pageSize: 2, keyEncoding: 'buffer' })
    expect((await run('scan --keys --limit 1', client)).text).toBe('"a"\n')
  })

  test('nothing there: prints nothing and is no error', async () => {
    expect(await run('scan x')).toMatchObject({ text: '', finding: 'found' })
  })

  test('--json: one line for each entry', async () => {
    const client = await clientWith('set a 1', 'set b"\\xff" 2')
    const lines = (await run('scan --json', client)).text.trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { key: 'a', value: '1' },
      { key: { $bytes: '/w==' }, value: '2' },
    ])
  })
})

describe('verbs: where, explain, status', () => {
  test('where: shows the way to the replicas', async () => {
    expect((await run('where ryan')).text).toContain('partition  77')
    expect(JSON.parse((await run('where ryan --json')).text)).toMatchObject({
      key: 'ryan',
      partition: 77,
      replicas: [{ address: '127.0.0.1:9000' }, { address: '127.0.0.1:9001' }],
    })
  })

  test('explain: shows the ballot and sends no level', async () => {
    const { text, options, finding } = await run('explain ryan --timeout-ms 100')
    expect(text).toContain('rule     the newest stamp wins')
    expect(options).toEqual({ timeoutMs: 100, signal: never })
    expect(finding).toBe('found')
  })

  test('status: is asked before the client has a map, of one node after it', async () => {
    const neverConnected = new Promise<void>(() => {})
    const { text, options } = await run('status', new FakeClient(), neverConnected)
    expect(text).toContain('cluster feedbeef')
    expect(options).toMatchObject({ address: undefined })
    const asked = await run('status 127.0.0.1:9001')
    expect(asked.options).toMatchObject({ address: '127.0.0.1:9001' })
    await expect(run('status nowhere')).rejects.toThrow('not an address')
  })
})

describe('verbs: repair', () => {
  test('everything verified: is the answer yes', async () => {
    const { text, finding, options } = await run('repair --timeout-ms 100')
    expect(text).toBe('4096 of 4096 partitions verified; no difference was found\n')
    expect(finding).toBe('found')
    expect(options).toEqual({ timeoutMs: 100, signal: never, onProgress: expect.any(Function) })
  })

  test('not everything verified: is the answer no', async () => {
    const client = new FakeClient()
    client.repaired = repairSummary({ verified: 4095 })
    const { text, finding } = await run('repair', client)
    expect(text).toContain('4095 of 4096 partitions verified')
    expect(finding).toBe('missing')
  })

  test('partitions and keys: name what is repaired', async () => {
    const { options } = await run('repair --partition 1 2 --key ryan b"\\xff" --partition=3')
    // 77 is where the fake has all keys.
    expect(options).toMatchObject({ partitions: [1, 2, 3, 77, 77] })
  })

  test.each<[string, RegExp]>([
    ['repair 7', /repair takes nothing/],
    ['repair --partition', /--partition needs N/],
    ['repair --partition seven', /--partition is a whole number from 0/],
    ['repair --partition 7 -8', /--partition is a whole number from 0 .*"-8"/],
    ['repair --consistency ALL', /no option --consistency/],
  ])('%s: is refused before anything is asked', async (line, message) => {
    const client = new FakeClient()
    await expect(run(line, client)).rejects.toThrow(message)
    expect(client.calls).toEqual([])
  })

  test('progress: is shown, and gone before the summary', async () => {
    const client = new FakeClient()
    client.repairedBefore = [0, 2048]
    const { shown } = await run('repair', client)
    expect(shown).toEqual([
      expect.stringMatching(/^\[-+\] {3}0% {2}0 of 4096 partitions$/),
      expect.stringMatching(/^\[#+-+\] {2}50% {2}2048 of 4096 partitions$/),
      '',
      '',
    ])
  })

  test('--json: everything as it is, and no progress', async () => {
    const client = new FakeClient()
    const failures = [{ node: '127.0.0.1:9001', reason: 'it is not reached', partitions: 1 }]
    client.repaired = repairSummary({ verified: 4095, failures })
    client.repairedBefore = [0]
    const { text, shown } = await run('repair --json', client)
    expect(JSON.parse(text)).toEqual(client.repaired)
    expect(shown).toEqual(['', ''])
  })
})

describe('verbs: all of them', () => {
  test.each(VERBS.map((verb) => [verb.name, verb] as const))(
    '%s: its own examples can be read',
    (_, verb) => {
      expect(verb.examples.length).toBeGreaterThan(0)
      for (const example of verb.examples) {
        const [first, ...words] = splitWords(example)
        expect(first!.value).toBe(verb.name)
        expect(() => readArguments(verb, words)).not.toThrow()
      }
    },
  )

  test('a connection that fails: is the error of the verb', async () => {
    const failed = Promise.reject(new Error('nobody there'))
    await expect(run('get a', new FakeClient(), failed)).rejects.toThrow('nobody there')
  })
})
