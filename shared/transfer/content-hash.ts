import { createHash } from 'node:crypto'
import { canonicalJson } from '../json/index.ts'

/** How many lines there are, and a hash of what they say whatever their order: 64 hexadecimal digits. */
export type ContentHash = { lines: number; hash: string }
const modulus = 1n << 256n

/**
 * Sums up lines of an export: the SHA-256 of each line's canonical JSON (names sorted at every depth, no spaces, without the vector, which another
 * model makes anew, and what belongs to it), added modulo 2^256. Addition and not XOR: two equal lines do not cancel each other out. It goes on after what was summed up `before`.
 */
export function contentHash(before: ContentHash = { lines: 0, hash: '0' }): { add(line: Record<string, unknown>): void; lines(): number; digest(): ContentHash } {
  let lines = before.lines
  let sum = BigInt(`0x${before.hash}`)
  return {
    add({ embedding: _embedding, embedding_model: _model, embedding_dim: _dimension, embedding_context: _context, ...line }) {
      lines += 1
      sum = (sum + BigInt(`0x${createHash('sha256').update(canonicalJson(line)).digest('hex')}`)) % modulus
    },
    lines: () => lines,
    digest: () => ({ lines, hash: sum.toString(16).padStart(64, '0') }),
  }
}
