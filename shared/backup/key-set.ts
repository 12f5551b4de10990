import { hash } from 'node:crypto'

const words = 4

/**
 * A set of texts that holds of each the first 128 bits of its SHA-256: 16 bytes a place, at most half of the places taken, so a million keys have 32 MiB (a Set of strings takes three times as much). Two
 * different texts out of a billion are taken for one with a probability below 1 in 10^20.
 */
export class KeySet {
  size = 0
  #slots = new Uint32Array(1024 * words)

  /** Whether it was not there yet. */
  add(text: string): boolean {
    if ((this.size + 1) * 2 * words > this.#slots.length) this.#grow()
    const digest = digestOf(text)
    const at = this.#find(digest)
    if (this.#taken(at)) return false
    this.#slots.set(digest, at)
    this.size += 1
    return true
  }

  has(text: string): boolean {
    return this.#taken(this.#find(digestOf(text)))
  }

  #taken = (at: number): boolean => this.#slots[at] !== 0 || this.#slots[at + 1] !== 0

  /** Where it is, or the free place that it would get: linear probing. */
  #find(digest: Uint32Array): number {
    const slots = this.#slots
    for (let at = (((digest[0] as number) * words) % slots.length) | 0; ; at = (at + words) % slots.length) {
      if (!this.#taken(at)) return at
      if (slots[at] === digest[0] && slots[at + 1] === digest[1] && slots[at + 2] === digest[2] && slots[at + 3] === digest[3]) return at
    }
  }

  #grow(): void {
    const before = this.#slots
    this.#slots = new Uint32Array(before.length * 2)
    for (let at = 0; at < before.length; at += words) {
      if (before[at] === 0 && before[at + 1] === 0) continue
      const digest = before.subarray(at, at + words)
      this.#slots.set(digest, this.#find(digest))
    }
  }
}

/** Never nought in its first 64 bits, which mark a free place. */
function digestOf(text: string): Uint32Array {
  const bytes = hash('sha256', text, 'buffer')
  const digest = Uint32Array.of(bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8), bytes.readUInt32LE(12))
  if (digest[0] === 0 && digest[1] === 0) digest[1] = 1
  return digest
}
