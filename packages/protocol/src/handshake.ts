import { NONCE_BYTES, proofMatches, proveSecret } from './auth'
import { CassioError } from './errors'
import { type Challenge, type Hello, PROTOCOL_VERSION, type Proof, type Welcome } from './messages'

/**
 * The two sides of a handshake, as decisions alone: a message goes in, the next one comes out, and
 * whatever is wrong is thrown as a CassioError. `docs/formats/wire.md` shows the exchange.
 */

/** The side that called. */
export class DiallerHandshake {
  private challenge: Challenge | undefined

  constructor(
    readonly hello: Hello,
    private readonly secret: string | undefined,
  ) {}

  /** @returns the PROOF to send. @throws CassioError CASSIO_UNAUTHORIZED, CASSIO_PROTOCOL. */
  onChallenge(message: unknown): Proof {
    const challenge = readChallenge(message)
    this.challenge = challenge
    if (this.secret === undefined) {
      if (!challenge.secretRequired) return {}
      throw new CassioError('CASSIO_UNAUTHORIZED', 'the node requires a shared secret')
    }
    if (!challenge.secretRequired) {
      throw new CassioError(
        'CASSIO_UNAUTHORIZED',
        'a secret is set here, but the node asks for none: it may be an impostor',
      )
    }
    const text = handshakeText(this.hello, challenge)
    const { nonce } = this.hello
    const expected = proveSecret(this.secret, 'acceptor', nonce, challenge.nonce, text)
    if (!proofMatches(expected, challenge.proof)) {
      throw new CassioError('CASSIO_UNAUTHORIZED', 'the node does not know the shared secret')
    }
    return { proof: proveSecret(this.secret, 'dialler', nonce, challenge.nonce, text) }
  }

  /** @throws CassioError CASSIO_PROTOCOL when it is none, or comes from another node. */
  onWelcome(message: unknown): Welcome {
    const welcome = message as Partial<Welcome> | null
    if (
      typeof welcome?.nodeId !== 'string' ||
      typeof welcome.address !== 'string' ||
      typeof welcome.clusterId !== 'string' ||
      typeof welcome.monotonicMs !== 'number' ||
      typeof welcome.hybridMs !== 'number' ||
      typeof welcome.wallMs !== 'number' ||
      welcome.nodeId !== this.challenge?.nodeId
    ) {
      throw new CassioError('CASSIO_PROTOCOL', 'the node answered the handshake wrongly')
    }
    return welcome as Welcome
  }
}

/** The side that was called. */
export class AcceptorHandshake {
  private hello: Hello | undefined
  private challenge: Challenge | undefined

  constructor(
    private readonly nodeId: string,
    private readonly secret: string | undefined,
    private readonly nonce: Buffer,
  ) {}

  /** @returns the CHALLENGE to send. @throws CassioError CASSIO_PROTOCOL. */
  onHello(message: unknown): Challenge {
    if (this.hello !== undefined) throw outOfOrder()
    const hello = readHello(message)
    const challenge = {
      nonce: this.nonce,
      secretRequired: this.secret !== undefined,
      nodeId: this.nodeId,
    }
    this.hello = hello
    if (this.secret === undefined) {
      this.challenge = challenge
    } else {
      const text = handshakeText(hello, challenge)
      const proof = proveSecret(this.secret, 'acceptor', hello.nonce, this.nonce, text)
      this.challenge = { ...challenge, proof }
    }
    return this.challenge
  }

  /** @returns who is there, proven. @throws CassioError CASSIO_UNAUTHORIZED, CASSIO_PROTOCOL. */
  onProof(message: unknown): Hello {
    const { hello, challenge } = this
    if (hello === undefined || challenge === undefined) throw outOfOrder()
    if (this.secret !== undefined) {
      const text = handshakeText(hello, challenge)
      const expected = proveSecret(this.secret, 'dialler', hello.nonce, this.nonce, text)
      if (!proofMatches(expected, (message as Proof | null)?.proof)) {
        throw new CassioError('CASSIO_UNAUTHORIZED', 'the shared secret is missing or wrong')
      }
    }
    return hello
  }
}

function readHello(message: unknown): Hello {
  const hello = message as Partial<Hello> | null
  if (hello?.protocol !== PROTOCOL_VERSION) {
    throw new CassioError(
      'CASSIO_PROTOCOL',
      `this node speaks protocol version ${PROTOCOL_VERSION}, not ${String(hello?.protocol)}`,
    )
  }
  const isNonce = hello.nonce instanceof Uint8Array && hello.nonce.length === NONCE_BYTES
  const isPeer = hello.role === 'peer'
  const peerFields = [hello.nodeId, hello.address, hello.founding, hello.clusterId]
  const isSound = isPeer
    ? peerFields.every((field) => typeof field === 'string') &&
      Number.isSafeInteger(hello.generation)
    : hello.role === 'client'
  if (!isNonce || !isSound) throw new CassioError('CASSIO_PROTOCOL', 'the HELLO is malformed')
  return hello as Hello
}

function readChallenge(message: unknown): Challenge {
  const challenge = message as Partial<Challenge> | null
  if (
    !(challenge?.nonce instanceof Uint8Array) ||
    challenge.nonce.length !== NONCE_BYTES ||
    typeof challenge.secretRequired !== 'boolean' ||
    typeof challenge.nodeId !== 'string'
  ) {
    throw new CassioError('CASSIO_PROTOCOL', 'the CHALLENGE is malformed')
  }
  return challenge as Challenge
}

function outOfOrder(): CassioError {
  return new CassioError('CASSIO_PROTOCOL', 'a handshake message came out of order')
}

/** What the two sides of a handshake claim, as the text that their proofs are bound to. */
function handshakeText(hello: Hello, challenge: Challenge): string {
  const claims = [hello.protocol, hello.role, hello.nodeId ?? '', hello.address ?? '']
  return [...claims, challenge.nodeId].join('\n')
}
