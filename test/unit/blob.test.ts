import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { BlobExists, BlobMissing, type BlobStore, fileStore } from '../../shared/blob/index.ts'
import { s3Store } from '../../shared/s3/index.ts'
import { createBucket, useS3 } from '../support/s3.ts'
import { requireService } from '../support/services.ts'

const folder = mkdtempSync(join(tmpdir(), 'soma-blob-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let last = 0
/** A root of the test's own, which is not there yet. */
const newRoot = () => join(folder, `root-${++last}`)

const s3 = requireService('TEST_S3_URL')
const stores: { what: string; absent: boolean; open: () => Promise<BlobStore> }[] = [
  { what: 'a store of files', absent: false, open: async () => fileStore(newRoot()) },
  {
    what: `a bucket${s3 ? '' : ' (skipped: no TEST_S3_URL)'}`,
    absent: !s3,
    open: async () => {
      const { client, endpoint } = useS3(s3 as string)
      return s3Store({ bucket: await createBucket(client), endpoint })
    },
  },
]

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}
async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const piece of content) text += Buffer.from(piece).toString()
  return text
}

for (const { what, absent, open } of stores) {
  describe.skipIf(absent)(what, () => {
    test('gives back what was put, lists it in order, and removes it', async () => {
      const store = await open()
      expect(await store.list('')).toEqual([])
      await store.put('b/two.soma', pieces('tw', 'o'))
      await store.put('a', pieces())
      await store.put('b/one', pieces('1'))
      await store.put('bb', pieces('x'))
      await store.put('b-b/x', pieces('x'))
      expect(await textOf(store.get('b/two.soma'))).toBe('two')
      expect(await textOf(store.get('a'))).toBe('')
      expect(await store.list('')).toEqual([
        { key: 'a', bytes: 0 },
        { key: 'b-b/x', bytes: 1 },
        { key: 'b/one', bytes: 1 },
        { key: 'b/two.soma', bytes: 3 },
        { key: 'bb', bytes: 1 },
      ])
      expect((await store.list('b')).map(({ key }) => key)).toEqual(['b/one', 'b/two.soma'])
      expect((await store.list('bb')).map(({ key }) => key)).toEqual(['bb'])
      expect(await store.list('nowhere')).toEqual([])
      await store.put('b/one', pieces('another'))
      expect(await textOf(store.get('b/one'))).toBe('another')
      await store.remove('b/one')
      await store.remove('b/one')
      await store.remove('nowhere/at/all')
      expect((await store.list('b')).map(({ key }) => key)).toEqual(['b/two.soma'])
      await expect(textOf(store.get('b/one'))).rejects.toThrow(BlobMissing)
      await expect(textOf(store.get('nowhere/one'))).rejects.toThrow(BlobMissing)
    })

    test('puts all of a stream or nothing, and what was there before stays', async () => {
      const store = await open()
      await store.put('kept', pieces('before'))
      async function* broken() {
        yield Buffer.from('half')
        throw new Error('the source broke')
      }
      for (const key of ['kept', 'new']) await expect(store.put(key, broken())).rejects.toThrow('the source broke')
      expect(await textOf(store.get('kept'))).toBe('before')
      expect(await store.list('')).toEqual([{ key: 'kept', bytes: 6 }])
    })

    test('puts only where there is nothing when asked to: of many at once one succeeds, and it is its content that stays', async () => {
      const store = await open()
      const outcomes = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => store.put('claimed', pieces(String(i), ' was first'), { ifAbsent: true })))
      const first = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []))
      expect(first).toHaveLength(1)
      for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(BlobExists)
      expect(await textOf(store.get('claimed'))).toBe(`${first[0]} was first`)
      await store.remove('claimed')
      await store.put('claimed', pieces('again'), { ifAbsent: true })
      expect(await textOf(store.get('claimed'))).toBe('again')
    })

    test('pulls from the source only as it writes, and gives back every byte', async () => {
      const store = await open()
      let made = 0
      let most = 0
      let consumed = 0
      await store.put(
        'large',
        (async function* () {
          for (let i = 0; i < 400; i++) {
            made += 1
            most = Math.max(most, made - consumed)
            yield Buffer.alloc(64 * 1024, i)
            consumed += 1
          }
        })(),
      )
      expect([most, consumed]).toEqual([1, 400])
      let length = 0
      for await (const piece of store.get('large')) {
        for (let from = 0; from < piece.length; ) {
          const to = Math.min(piece.length, from + (64 * 1024 - ((length + from) % (64 * 1024))))
          if (piece.subarray(from, to).some((byte) => byte !== (Math.floor((length + from) / (64 * 1024)) & 255))) throw new Error(`wrong byte near ${length + from}`)
          from = to
        }
        length += piece.length
      }
      expect(length).toBe(400 * 64 * 1024)
    })

    test('a reader may leave in the middle', async () => {
      const store = await open()
      await store.put('long', pieces('x'.repeat(3_000_000)))
      for await (const piece of store.get('long')) {
        expect(piece.length).toBeGreaterThan(0)
        break
      }
      expect(await textOf(store.get('long'))).toHaveLength(3_000_000)
    })

    test.each(['', '/etc/passwd', '../x', 'a/../../x', 'a//b', './a', 'a/.', '.hidden', 'a/.unfinished-1', 'a\\b', 'a\0b', 'a/', 'ä', 'x'.repeat(201)])(
      'takes %j for no key',
      async (key) => {
        const store = await open()
        await store.put('kept', pieces('x'))
        await expect(store.put(key, pieces('x'))).rejects.toThrow('is no key')
        await expect(textOf(store.get(key))).rejects.toThrow('is no key')
        await expect(store.remove(key)).rejects.toThrow('is no key')
        if (key !== '') await expect(store.list(key)).rejects.toThrow('is no key')
        expect((await store.list('')).map((one) => one.key)).toEqual(['kept'])
      },
    )
  })
}

describe('a store of files besides', () => {
  test('leaves no file of a stream that broke', async () => {
    const root = newRoot()
    const store = fileStore(root)
    await store.put('kept', pieces('before'))
    async function* broken() {
      yield Buffer.from('half')
      throw new Error('the source broke')
    }
    for (const options of [{}, { ifAbsent: true }]) await expect(store.put('new', broken(), options)).rejects.toThrow('the source broke')
    await expect(store.put('kept', pieces('other'), { ifAbsent: true })).rejects.toThrow(BlobExists)
    expect(readdirSync(root)).toEqual(['kept'])
    expect(readFileSync(join(root, 'kept'), 'utf8')).toBe('before')
  })

  test('follows no symbolic link out of its root', async () => {
    const root = newRoot()
    const outside = newRoot()
    for (const path of [root, outside]) mkdirSync(path)
    writeFileSync(join(outside, 'secret'), 'secret')
    symlinkSync(outside, join(root, 'way'))
    symlinkSync(join(outside, 'secret'), join(root, 'file'))
    symlinkSync(join(outside, 'mine'), join(root, 'dangling'))
    const store = fileStore(root)
    await expect(textOf(store.get('way/secret'))).rejects.toThrow('leads out of')
    await expect(textOf(store.get('file'))).rejects.toThrow()
    await expect(store.put('way/mine', pieces('x'))).rejects.toThrow('leads out of')
    await expect(store.put('dangling', pieces('x'), { ifAbsent: true })).rejects.toThrow(BlobExists)
    await expect(store.remove('way/secret')).rejects.toThrow('leads out of')
    expect((await store.list('')).map(({ key }) => key)).toEqual(['dangling', 'file', 'way'])
    // a put replaces the link, never what it names
    await store.put('file', pieces('mine'))
    expect([readFileSync(join(outside, 'secret'), 'utf8'), existsSync(join(outside, 'mine'))]).toEqual(['secret', false])
  })
})
