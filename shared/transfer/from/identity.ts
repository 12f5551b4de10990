import { createHash } from 'node:crypto'
import { uuidText } from '../../memory/index.ts'

/** The namespace of our ids, as RFC 9562 section 5.5 asks for one: any UUID that is used for nothing else. */
const space = Buffer.from('6f0c9ac2d0f14f5e9a3e6c1d2b7a8e44', 'hex')

/** UUIDv5 (RFC 9562): the same names always give the same id, so importing a file twice makes no doubles. */
export function idOf(...names: (string | null)[]): string {
  const bytes = createHash('sha1').update(space).update(JSON.stringify(names)).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x50
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  return uuidText(bytes)
}
