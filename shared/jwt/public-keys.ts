import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ConfigError } from '../config/index.ts'

const blocks = /-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g
const leastRsaBits = 2048

/** The public keys of JWT_PUBLIC_KEY_PATH: a file's path, or the PEM text itself; several keys, or certificates, one behind the other. @throws ConfigError */
export function readPublicKeys(pathOrText: string): KeyObject[] {
  const text = pathOrText.includes('-----BEGIN') ? pathOrText.replaceAll('\\n', '\n') : readText(pathOrText)
  const found = [...text.matchAll(blocks)]
  if (!found.length) throw new ConfigError('JWT_PUBLIC_KEY_PATH names no public key: it takes PEM, such as `openssl pkey -pubout` writes.')
  return found.map(([pem, kind]) => publicKey(pem, kind as string))
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError(`JWT_PUBLIC_KEY_PATH names a file that cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
}

function publicKey(pem: string, kind: string): KeyObject {
  if (!['PUBLIC KEY', 'RSA PUBLIC KEY', 'CERTIFICATE'].includes(kind))
    throw new ConfigError(`JWT_PUBLIC_KEY_PATH holds a ${kind}: it takes the public half only, such as \`openssl pkey -pubout\` writes.`)
  const key = parsed(pem)
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (!['rsa', 'rsa-pss', 'ec', 'ed25519'].includes(type ?? '')) throw new ConfigError(`JWT_PUBLIC_KEY_PATH holds a key of the kind ${type}: it takes RSA, EC and Ed25519.`)
  if ((details?.modulusLength ?? leastRsaBits) < leastRsaBits)
    throw new ConfigError(`JWT_PUBLIC_KEY_PATH holds an RSA key of ${details?.modulusLength} bits: it takes ${leastRsaBits} or more.`)
  return key
}

function parsed(pem: string): KeyObject {
  try {
    return createPublicKey(pem)
  } catch {
    throw new ConfigError('JWT_PUBLIC_KEY_PATH holds a key that cannot be read: it takes PEM, such as `openssl pkey -pubout` writes.')
  }
}

const kinds: [RegExp, string[]][] = [
  [/^RS/, ['rsa']],
  [/^PS/, ['rsa', 'rsa-pss']],
  [/^ES/, ['ec']],
  [/^Ed/, ['ed25519']],
]
/** Those that can have made a signature of this algorithm. */
export function keysFor(alg: string, keys: readonly KeyObject[]): KeyObject[] {
  const types = kinds.find(([form]) => form.test(alg))?.[1] ?? []
  return keys.filter(({ asymmetricKeyType }) => types.includes(asymmetricKeyType ?? ''))
}
