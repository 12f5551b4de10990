import { createHash, createPrivateKey, createPublicKey, hkdfSync, type KeyObject, sign, verify } from 'node:crypto'

/** Signs texts by an Ed25519 key. `keyId` is the beginning of its public key's SHA-256, 16 hexadecimal digits; `publicKey` is PEM; a signature is base64. */
export type Signer = { keyId: string; publicKey: string; sign(text: string): string }

/** A key out of SIGNING_KEY for one purpose: HKDF-SHA-256 makes its seed, so that nobody has another secret to keep, and who only verifies needs none. */
export function signerOf(signingKey: string, purpose: string): Signer {
  const seed = Buffer.from(hkdfSync('sha256', signingKey, '', purpose, 32))
  // PKCS #8 of an Ed25519 key (RFC 8410): all but the seed is fixed
  const key = createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]), format: 'der', type: 'pkcs8' })
  const publicKey = pemOf(createPublicKey(key))
  return { keyId: keyIdOf(publicKey), publicKey, sign: (text) => sign(null, Buffer.from(text), key).toString('base64') }
}

/** Whether the text is, to the byte, what the holder of this key has signed. What is no key or no signature at all has signed nothing. */
export function isSigned(text: string, signature: string, publicKey: string): boolean {
  const bytes = Buffer.from(signature, 'base64')
  // base64 is read leniently: one signature has one text
  if (bytes.toString('base64') !== signature) return false
  try {
    return verify(null, Buffer.from(text), createPublicKey(publicKey), bytes)
  } catch {
    return false
  }
}

/** @throws Error when it is no public key in PEM */
export function keyIdOf(publicKey: string): string {
  const der = createPublicKey(publicKey).export({ format: 'der', type: 'spki' })
  return createHash('sha256').update(der).digest('hex').slice(0, 16)
}

const pemOf = (key: KeyObject): string => key.export({ format: 'pem', type: 'spki' }).toString()
