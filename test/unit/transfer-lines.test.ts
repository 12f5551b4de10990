import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson } from '../../shared/json/index.ts'
import { contentHash, readLines } from '../../shared/transfer/index.ts'

async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
const all = async <T>(from: AsyncIterable<T>) => {
  const found: T[] = []
  for await (const one of from) found.push(one)
  return found
}

test('lines are the same wherever the bytes are cut', async () => {
  const bytes = Buffer.concat([Buffer.from('\ufeffone 🍵\r\n\n  \ntwo\n'), Buffer.from([0xff, 0x0a]), Buffer.from('four is too long\nfive')])
  for (let size = 1; size <= bytes.length; size++) {
    expect(await all(readLines(chunked(bytes, size), 12))).toEqual([
      { line: 1, text: 'one 🍵\r' },
      { line: 4, text: 'two' },
      { line: 5, problem: 'encoding' },
      { line: 6, problem: 'too_long' },
      { line: 7, text: 'five' },
    ])
  }
})

test('a line of a gigabyte is skipped, and what follows is read', async () => {
  const mebibyte = new Uint8Array(1024 * 1024).fill(0x61)
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  async function* gigabyte(): AsyncGenerator<Uint8Array> {
    for (let n = 0; n < 1024; n++) {
      yield mebibyte
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    }
    yield Buffer.from('\nnext\n')
  }
  expect(await all(readLines(gigabyte()))).toEqual([
    { line: 1, problem: 'too_long' },
    { line: 2, text: 'next' },
  ])
  expect(most).toBeLessThan(64 * 1024 * 1024)
})

test('the hash does not depend on the order of lines or names, nor on vectors, and on everything else', () => {
  const digest = (lines: Record<string, unknown>[]) => {
    const hash = contentHash()
    for (const line of lines) hash.add(line)
    return hash.digest()
  }
  const one = { id: '1', metadata: { b: [1, { d: null, c: 'x' }], a: 2 } }
  const two = { id: '2', embedding: [1, 2], embedding_model: 'm', embedding_dim: 2 }
  const same = digest([{ id: '2' }, { metadata: { a: 2, b: [1, { c: 'x', d: null }] }, id: '1' }])
  expect(digest([one, two])).toEqual(same)
  expect(same.lines).toBe(2)
  expect(digest([one, two, two]).hash).not.toBe(same.hash)
  expect(digest([one, { id: '3' }]).hash).not.toBe(same.hash)
  // two equal lines do not cancel each other out
  expect(digest([one, one]).hash).not.toBe(digest([]).hash)
  expect(digest([{ id: '1' }]).hash).toBe(createHash('sha256').update('{"id":"1"}').digest('hex'))
})

test('canonical JSON is JSON, and says the same for every order of names', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value)
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      expect(canonicalJson(reversed(value))).toBe(text)
    }),
  )
})

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  const turned = Object.entries(value)
    .reverse()
    .map(([name, inner]) => [name, reversed(inner)])
  return Object.fromEntries(turned)
}
