import {
  AcceptorHandshake,
  type Challenge,
  DiallerHandshake,
  type Hello,
  NONCE_BYTES,
  PROTOCOL_VERSION,
  pack,
  proofMatches,
  proveSecret,
  unpack,
  type Welcome,
} from '../src'
import { SeededRandom } from './support'

const random = new SeededRandom(61)

function hello(changes: Partial<Hello> = {}): Hello {
  return {
    protocol: PROTOCOL_VERSION,
    role: 'peer',
    nonce: random.bytes(NONCE_BYTES),
    nodeId: 'dialler',
    address: 'd:1',
    generation: 1,
    founding: 'a:1,d:1',
    clusterId: '',
    ...changes,
  }
}

const WELCOME: Welcome = {
  nodeId: 'acceptor',
  address: 'a:1',
  generation: 1,
  clusterId: '',
  epoch: 0,
  monotonicMs: 5,
  hybridMs: 7,
  wallMs: 8,
  maxValueBytes: 1,
  version: '1',
}

/** Across the wire and back. */
function sent(message: unknown): unknown {
  return unpack(pack(message))
}

function acceptor(secret?: string): AcceptorHandshake {
  return new AcceptorHandshake('acceptor', secret, random.bytes(NONCE_BYTES))
}

/** Who refuses, or 'welcome'. */
function shake(diallerSecret: string | undefined, acceptorSecret: string | undefined): string {
  const dialler = new DiallerHandshake(hello(), diallerSecret)
  const accepting = acceptor(acceptorSecret)
  const challenge = sent(accepting.onHello(sent(dialler.hello)))
  let proof: unknown
  try {
    proof = sent(dialler.onChallenge(challenge))
  } catch (error) {
    return `dialler: ${(error as { code: string }).code}`
  }
  try {
    expect(accepting.onProof(proof).nodeId).toBe('dialler')
  } catch (error) {
    return `acceptor: ${(error as { code: string }).code}`
  }
  return dialler.onWelcome(sent(WELCOME)).nodeId === 'acceptor' ? 'welcome' : 'wrong'
}

describe('handshake', () => {
  it.each([
    [undefined, undefined, 'welcome'],
    ['s', 's', 'welcome'],
    [undefined, 's', 'dialler: CASSIO_UNAUTHORIZED'],
    ['s', undefined, 'dialler: CASSIO_UNAUTHORIZED'],
    ['s', 't', 'dialler: CASSIO_UNAUTHORIZED'],
    ['s', 'S', 'dialler: CASSIO_UNAUTHORIZED'],
  ])('handshake: dialler has secret %j, acceptor %j: %s', (dialler, accepting, outcome) => {
    expect(shake(dialler, accepting)).toBe(outcome)
  })

  /** A dialler without manners: it proves whatever it likes. */
  function prove(make: (hello: Hello, challenge: Challenge) => unknown): () => unknown {
    const accepting = acceptor('s')
    const greeting = hello()
    const challenge = accepting.onHello(greeting)
    return () => accepting.onProof(make(greeting, challenge))
  }

  const text = 'CASSIO|1|peer|dialler|d:1|acceptor'.split('|').slice(1).join('\n')

  it('handshake: a proof made by the documented rule: accepted', () => {
    const proof = prove(({ nonce }, challenge) => ({
      proof: proveSecret('s', 'dialler', nonce, challenge.nonce, text),
    }))
    expect(proof).not.toThrow()
  })

  it.each<[string, (hello: Hello, challenge: Challenge) => unknown]>([
    ['no proof', () => ({})],
    ['null', () => null],
    ['the proof as text', () => ({ proof: 'x'.repeat(32) })],
    ['an empty proof', () => ({ proof: Buffer.alloc(0) })],
    ["the acceptor's own proof, reflected", (_, challenge) => ({ proof: challenge.proof })],
    [
      'a wrong secret',
      ({ nonce }, { nonce: theirs }) => ({
        proof: proveSecret('t', 'dialler', nonce, theirs, text),
      }),
    ],
    [
      'the nonces exchanged',
      ({ nonce }, { nonce: theirs }) => ({
        proof: proveSecret('s', 'dialler', theirs, nonce, text),
      }),
    ],
    [
      'a recording for another nonce of the acceptor',
      ({ nonce }) => ({
        proof: proveSecret('s', 'dialler', nonce, random.bytes(NONCE_BYTES), text),
      }),
    ],
    [
      "a recording for another nonce of the dialler's",
      (_, { nonce: theirs }) => ({
        proof: proveSecret('s', 'dialler', random.bytes(NONCE_BYTES), theirs, text),
      }),
    ],
    [
      'the proof of a client, for a peer',
      ({ nonce }, { nonce: theirs }) => ({
        proof: proveSecret('s', 'dialler', nonce, theirs, text.replace('peer', 'client')),
      }),
    ],
    [
      'the proof of another node',
      ({ nonce }, { nonce: theirs }) => ({
        proof: proveSecret('s', 'dialler', nonce, theirs, text.replace('dialler', 'other')),
      }),
    ],
  ])('handshake: %s: CASSIO_UNAUTHORIZED', (_what, make) => {
    expect(prove(make)).toThrow(expect.objectContaining({ code: 'CASSIO_UNAUTHORIZED' }))
  })

  it('handshake: every bit of a proof: matters', () => {
    const proof = proveSecret('s', 'dialler', Buffer.alloc(32), Buffer.alloc(32), text)
    expect(proofMatches(proof, Buffer.from(proof))).toBe(true)
    for (let bit = 0; bit < proof.length * 8; bit += 1) {
      const damaged = Buffer.from(proof)
      damaged[bit >>> 3]! ^= 1 << (bit & 7)
      expect(proofMatches(proof, damaged)).toBe(false)
    }
  })

  it("handshake: a claim changed on its way: the acceptor's proof no longer fits", () => {
    const accepting = acceptor('s')
    const dialler = new DiallerHandshake(hello(), 's')
    const challenge = accepting.onHello({ ...dialler.hello, nodeId: 'changed' })
    expect(() => dialler.onChallenge(challenge)).toThrow(/does not know the shared secret/)
  })

  it.each<[string, unknown]>([
    ['nothing', null],
    ['a number', 5],
    ['another version', hello({ protocol: 2 })],
    ['no nonce', { ...hello(), nonce: undefined }],
    ['a short nonce', hello({ nonce: Buffer.alloc(31) })],
    ['a nonce as text', { ...hello(), nonce: 'x'.repeat(32) }],
    ['an unknown role', { ...hello(), role: 'admin' }],
    ['a peer without an id', { ...hello(), nodeId: undefined }],
    ['a peer with a number for an address', { ...hello(), address: 1 }],
    ['a peer without a generation', { ...hello(), generation: '1' }],
    ['a peer without its founding', { ...hello(), founding: null }],
    ['a peer without a cluster id', { ...hello(), clusterId: undefined }],
  ])('handshake: HELLO with %s: CASSIO_PROTOCOL', (_what, message) => {
    expect(() => acceptor().onHello(message)).toThrow(
      expect.objectContaining({ code: 'CASSIO_PROTOCOL' }),
    )
  })

  it.each<[string, unknown]>([
    ['nothing', null],
    ['a short nonce', { nonce: Buffer.alloc(1), secretRequired: false, nodeId: 'a' }],
    ['no word on secrets', { nonce: Buffer.alloc(32), nodeId: 'a' }],
    ['no node id', { nonce: Buffer.alloc(32), secretRequired: false }],
  ])('handshake: CHALLENGE with %s: CASSIO_PROTOCOL', (_what, message) => {
    expect(() => new DiallerHandshake(hello(), undefined).onChallenge(message)).toThrow(
      expect.objectContaining({ code: 'CASSIO_PROTOCOL' }),
    )
  })

  it('handshake: messages out of order: CASSIO_PROTOCOL', () => {
    const protocol = expect.objectContaining({ code: 'CASSIO_PROTOCOL' })
    expect(() => acceptor().onProof({})).toThrow(protocol)
    const accepting = acceptor()
    accepting.onHello(hello())
    expect(() => accepting.onHello(hello())).toThrow(protocol)
    // A WELCOME before the CHALLENGE would skip the proof.
    expect(() => new DiallerHandshake(hello(), 's').onWelcome(WELCOME)).toThrow(protocol)
  })

  it('handshake: WELCOME of another node than the one that proved itself: CASSIO_PROTOCOL', () => {
    const dialler = new DiallerHandshake(hello(), 's')
    dialler.onChallenge(acceptor('s').onHello(dialler.hello))
    for (const changes of [{ nodeId: 'other' }, { monotonicMs: '5' }, { clusterId: null }]) {
      expect(() => dialler.onWelcome({ ...WELCOME, ...changes })).toThrow(
        expect.objectContaining({ code: 'CASSIO_PROTOCOL' }),
      )
    }
    expect(dialler.onWelcome(WELCOME)).toEqual(WELCOME)
  })
})
