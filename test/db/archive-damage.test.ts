import { beforeAll, expect, test } from 'vitest'
import { ArchiveError, openArchive } from '../../shared/backup/index.ts'
import { openManifest } from '../../shared/backup/manifest.ts'
import { backedUp, busyTenant, firstKey } from '../support/archives.ts'
import { blocksOf, check, type Files, flipped, manifestOf, moved, part, place, rearranged, resealed } from '../support/damage.ts'
import { describeEngines } from '../support/engines.ts'
import { loseWakeUps } from './admin.ts'

describeEngines(
  'an archive',
  (product) => {
    let plain: Files
    let sealed: Files
    beforeAll(async () => {
      await loseWakeUps(product())
      for (let i = 0; i < 2; i++) await busyTenant(product())
      plain = (await backedUp(product())).files
      sealed = (await backedUp(product(), firstKey)).files
    })

    test('that is whole is found whole', async () => {
      await check(plain)
      await check(sealed, firstKey)
    })

    test.each(['plain', 'sealed'])('with one bit flipped in any byte of its manifest is refused (%s)', async (which) => {
      const [files, key] = which === 'plain' ? [plain, undefined] : [sealed, firstKey]
      const manifest = files.get('manifest.json') as Buffer
      for (let at = 0; at < manifest.length; at++) {
        expect(() => openManifest(flipped(manifest, at, at % 8), key), `byte ${at}`).toThrow(/manifest.json is damaged/)
      }
    })

    test.each(['plain', 'sealed'])('with one bit flipped in any block of its part is refused (%s)', async (which) => {
      const [files, key] = which === 'plain' ? [plain, undefined] : [sealed, firstKey]
      const bytes = files.get(part) as Buffer
      let start = 0
      for (const block of blocksOf(bytes)) {
        // its length, its header, its content, its end
        for (const at of [start + 3, start + 20, start + (block.length >> 1), start + block.length - 1]) {
          await expect(check(new Map([...files, [part, flipped(bytes, at, at % 8)]]), key), `byte ${at}`).rejects.toThrow(
            /damaged|authentication fails|cannot be unpacked|names the key|no archive has|block/i,
          )
        }
        start += block.length
      }
    })

    test('whose blocks are reordered, swapped, dropped or doubled is refused, even when hashes and numbers say so', async () => {
      for (const [files, key] of [
        [plain, undefined],
        [sealed, firstKey],
      ] as const) {
        const refused = (arrange: (blocks: Buffer[]) => Buffer[]) =>
          expect(check(rearranged(files, key, arrange), key)).rejects.toThrow(/stands where block|the archive has|rows of/i)
        await refused((blocks) => blocks.toReversed())
        await refused((blocks) => moved(blocks, 3, 7))
        await refused((blocks) => blocks.toSpliced(4, 1))
        await refused((blocks) => blocks.slice(0, -1))
        await refused((blocks) => blocks.toSpliced(4, 0, blocks[4] as Buffer))
        await refused((blocks) => [...blocks, blocks.at(-1) as Buffer])
      }
    })

    test('with a block of another archive of the same rows and key is refused', async () => {
      const other = (await backedUp(product(), firstKey)).files
      const theirs = blocksOf(other.get(part) as Buffer)
      const files = rearranged(sealed, firstKey, (blocks) => blocks.with(5, theirs[5] as Buffer))
      await expect(check(files, firstKey)).rejects.toThrow('Block 5 of the archive is not what was written there: its authentication fails.')
    })

    test('gives each tenant a key that opens its blocks and no others: without one of them, those rows are lost and only those', async () => {
      const { encryption } = manifestOf(sealed, firstKey)
      const ids = Object.keys(encryption?.data_keys ?? {})
      const [lost = ''] = ids.slice(-1)
      const tenantOf = (block: Buffer) => JSON.parse(block.toString('utf8', 4, 4 + block.readUInt32BE())).key
      const before = blocksOf(sealed.get(part) as Buffer).findIndex((block) => tenantOf(block) === lost)
      const files = resealed(sealed, firstKey, (manifest) => {
        delete manifest.encryption?.data_keys[lost]
      })
      const read: number[] = []
      await expect(
        (async () => {
          for await (const { block } of (await openArchive(place(files), firstKey)).blocks()) read.push(block.header.block)
        })(),
      ).rejects.toThrow(`The archive's manifest has no data key ${lost}: what it encrypts cannot be read by anybody.`)
      expect(read).toEqual(Array.from({ length: before }, (_, i) => i))
      // another tenant's key in its place opens nothing, though it is a key of this archive
      const swapped = resealed(sealed, firstKey, ({ encryption: one }) => {
        if (one) one.data_keys[lost] = one.data_keys[ids[1] as string] as string
      })
      await expect(check(swapped, firstKey)).rejects.toThrow(`The data key ${lost} of the archive cannot be opened`)
    })

    test('of many parts is refused when two of them change places, one is doubled or one is missing', async () => {
      const { files } = await backedUp(product(), firstKey, 2_000)
      const names = [...files.keys()].filter((name) => name.startsWith('part-'))
      expect(names.length).toBeGreaterThan(5)
      await check(files, firstKey)
      const [second, third] = names.slice(1, 3).map((name) => [name, files.get(name) as Buffer] as const) as [readonly [string, Buffer], readonly [string, Buffer]]
      const swapped = new Map([...files, [second[0], third[1]], [third[0], second[1]]])
      await expect(check(swapped, firstKey)).rejects.toThrow(ArchiveError)
      // and when the manifest says so
      const listed = resealed(swapped, firstKey, ({ parts }) => {
        const [a, b] = parts.slice(1, 3) as [(typeof parts)[number], (typeof parts)[number]]
        Object.assign(parts, { 1: { ...b, name: a.name }, 2: { ...a, name: b.name } })
      })
      await expect(check(listed, firstKey)).rejects.toThrow(/stands where block/)
      await expect(check(new Map([...files, [third[0], second[1]]]), firstKey)).rejects.toThrow(ArchiveError)
      await expect(check(new Map([...files].filter(([name]) => name !== third[0])), firstKey)).rejects.toThrow(`The part ${third[0]} of the archive is missing.`)
      for (const name of names) {
        const bytes = files.get(name) as Buffer
        await expect(check(new Map([...files, [name, flipped(bytes, bytes.length >> 1)]]), firstKey), name).rejects.toThrow(ArchiveError)
      }
    })
  },
  // an archive is the same from every engine
  ['pglite'],
)
