import { createHash } from 'node:crypto'
import type { S3Client } from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, test } from 'vitest'
import { createBackup } from '../../functions/backup/handler.ts'
import { createRestore } from '../../functions/restore/handler.ts'
import { startS3 } from '../../local/services/s3.ts'
import { backUp, openArchive, type Place, restore, verifyArchive } from '../../shared/backup/index.ts'
import type { BlobStore } from '../../shared/blob/index.ts'
import { createBreakers } from '../../shared/breaker/index.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { backupDeps } from '../../shared/host/index.ts'
import { s3Store } from '../../shared/s3/index.ts'
import { answersOf, busyTenant, firstKey, restorable, withTarget } from '../support/archives.ts'
import { describeEngines } from '../support/engines.ts'
import { createBucket, openUploads, useS3 } from '../support/s3.ts'
import { requireService } from '../support/services.ts'
import { loseWakeUps } from './admin.ts'

const s3 = requireService('TEST_S3_URL')
const never = new AbortController().signal

describe.skipIf(!s3)(`backups in a bucket${s3 ? '' : ' (skipped: no TEST_S3_URL)'}`, () => {
  let client: S3Client
  let endpoint: string
  let bucket: string
  let store: BlobStore
  beforeAll(async () => {
    const used = useS3(s3 as string)
    client = used.client
    endpoint = used.endpoint
    bucket = await createBucket(client, true)
    store = s3Store({ bucket, endpoint })
  })

  describeEngines(
    'with a tenant that has something of everything',
    (product) => {
      /** A prefix of the engine's own, for each test one. */
      const at = (name: string): Place => ({ store, prefix: `${product().engine.replace(' ', '-')}/${name}` })
      beforeAll(async () => {
        await loseWakeUps(product())
        await busyTenant(product())
      })

      test('an archive goes out by the handler, is verified and comes back by the handler, row for row', async () => {
        const caller = await busyTenant(product())
        const config = parseConfig({ SOMA_DATA_DIR: 'memory://', BACKUP_BUCKET: bucket, BACKUP_PREFIX: at('handlers').prefix, S3_ENDPOINT: endpoint, BACKUP_KEY: '01'.repeat(32) })
        const breakers = createBreakers({ failures: 5, openMs: 10_000 }, () => {})
        const deps = backupDeps({ config, breakers } as Parameters<typeof backupDeps>[0])
        const { detail } = await createBackup({ worker: product().local.db.worker, ...deps })(never)
        const { name, rows, tables, parts } = detail as { name: string; rows: number; tables: Record<string, number>; parts: number }
        const place = at(`handlers/${name}`)
        expect(await store.list(place.prefix)).toHaveLength(parts + 1)
        expect(await verifyArchive(await openArchive(place, firstKey), true)).toMatchObject({ rows, encrypted: true })
        await withTarget(product().engine, async (target) => {
          expect(await createRestore({ owner: target.local.db.owner, ...deps, from: name })(never)).toMatchObject({ done: rows, detail: { tables } })
          const [before, after] = [await restorable(product()), await restorable(target)]
          expect(hashOf(after)).toBe(hashOf(before))
          expect(await answersOf(target, caller, 'same engine')).toEqual(await answersOf(product(), caller, 'same engine'))
        })
      }, 120_000)

      test('of two backups into one place one is refused, and the other one is whole', async () => {
        const backup = (place: Place) => backUp(product().local.db.worker, place, { partBytes: 5_000 })
        const place = at('both')
        // both looked before either wrote
        const unaware = { ...place, store: { ...store, list: async () => [] } }
        const outcomes = await Promise.allSettled([backup(unaware), backup(unaware)])
        const failed = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.message] : []))
        expect(failed).toEqual(['There is something already where the backup is to be written: name a new or an empty place.'])
        const [whole] = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
        expect(await verifyArchive(await openArchive(place, undefined), true)).toMatchObject({ archive_id: whole?.archive_id, rows: whole?.rows })
        expect(await openUploads(client, bucket)).toEqual([])
        await expect(backup(place)).rejects.toThrow('There is something already')
      })

      test('an archive with a part that was deleted, replaced or added in the bucket is refused, and the target is as it was', async () => {
        const place = at('damaged')
        const { parts } = await backUp(product().local.db.worker, place, { partBytes: 5_000 })
        expect(parts).toBeGreaterThan(2)
        const part = (number: number) => `${place.prefix}/part-00000${number}.soma`
        const bytes: Buffer[] = []
        for await (const piece of store.get(part(2))) bytes.push(piece)
        const content = async function* (change: (all: Buffer) => Buffer) {
          yield change(Buffer.concat(bytes))
        }
        await withTarget(product().engine, async (target) => {
          const refused = (why: RegExp) => expect(restore(target.local.db.owner, place)).rejects.toThrow(why)
          await store.remove(part(2))
          await refused(/^The part part-000002.soma of the archive is missing\.$/)
          await store.put(
            part(2),
            content((all) => Buffer.concat([all.subarray(0, -1), Buffer.from([(all.at(-1) as number) ^ 1])])),
          )
          await refused(/part-000002.soma of the archive is damaged|cannot be unpacked/)
          await store.put(
            part(2),
            content((all) => all),
          )
          await store.put(
            `${place.prefix}/part-999999.soma`,
            content((all) => all),
          )
          await refused(/which its manifest does not name/)
          await store.remove(`${place.prefix}/part-999999.soma`)
          expect((await restore(target.local.db.owner, place)).generation).toBe(2)
        })
      }, 120_000)

      test('a backup that is stopped removes what it had written', async () => {
        const place = at('stopped')
        const ending = new AbortController()
        const stopped = backUp(product().local.db.worker, place, {
          partBytes: 5_000,
          signal: ending.signal,
          onProgress: (rows) => rows > 200 && ending.abort(),
        })
        await expect(stopped).rejects.toThrow('The backup was stopped before it was whole, and what it had written was removed.')
        expect([await store.list(place.prefix), await openUploads(client, bucket)]).toEqual([[], []])
      })

      test('the gateway killed in the middle: an error that names it, and nothing that a restore would take', async () => {
        const gateway = await startS3()
        const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env
        try {
          const own = useS3(gateway.url)
          const fragile = s3Store({ bucket: await createBucket(own.client), endpoint: own.endpoint })
          const place: Place = {
            prefix: 'killed',
            store: {
              ...fragile,
              async put(key, content, options) {
                if (key.endsWith('part-000003.soma')) await gateway.kill()
                return fragile.put(key, content, options)
              },
            },
          }
          const { host } = new URL(own.endpoint)
          await expect(backUp(product().local.db.worker, place, { partBytes: 5_000 })).rejects.toThrow(
            new RegExp(`at ${host} cannot be reached .* What the backup had written could not be removed: it has no manifest, so nothing restores it`),
          )
          await gateway.restart()
          expect((await fragile.list('killed')).map(({ key }) => key)).toEqual(['killed/part-000001.soma', 'killed/part-000002.soma'])
          await withTarget(product().engine, (target) => expect(restore(target.local.db.owner, place)).rejects.toThrow('There is no archive here: manifest.json is missing'))
          // and the next backup, under a new name, is whole
          await backUp(product().local.db.worker, { store: fragile, prefix: 'next' })
          expect((await verifyArchive(await openArchive({ store: fragile, prefix: 'next' }, undefined), true)).rows).toBeGreaterThan(0)
        } finally {
          Object.assign(process.env, { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY })
          await gateway.stop()
        }
      }, 120_000)
    },
    ['pglite', 'postgres 18'],
  )
})

/** Every row of every table. */
function hashOf(rows: Record<string, string[]>): string {
  const hash = createHash('sha256')
  for (const [table, lines] of Object.entries(rows).sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(JSON.stringify([table, lines]))
  return hash.digest('hex')
}
