import { beforeAll, expect, test } from 'vitest'
import { restore } from '../../shared/backup/index.ts'
import type { BackupKey } from '../../shared/backup/keys.ts'
import { schemaVersion } from '../../shared/db/index.ts'
import { backedUp, busyTenant, dump, firstKey, otherKey, restorable, withTarget } from '../support/archives.ts'
import { type Files, flipped, part, place, resealed } from '../support/damage.ts'
import { describeEngines, openProduct, type Product } from '../support/engines.ts'
import { adminSql, loseWakeUps } from './admin.ts'

describeEngines(
  'a restore',
  (product) => {
    let plain: Files
    let sealed: Files
    beforeAll(async () => {
      await loseWakeUps(product())
      for (let i = 0; i < 2; i++) await busyTenant(product())
      plain = (await backedUp(product())).files
      sealed = (await backedUp(product(), firstKey)).files
    })

    test('that is refused leaves the target as it was, and says why', async () => {
      const with_ = (name: string, bytes: Buffer) => new Map([...sealed, [name, bytes]])
      const bytes = sealed.get(part) as Buffer
      const cases: [string, Files, BackupKey | undefined, RegExp][] = [
        ['no manifest', new Map([[part, bytes]]), firstKey, /There is no archive here: manifest.json is missing/],
        ['a missing part', new Map([['manifest.json', sealed.get('manifest.json') as Buffer]]), firstKey, /The part part-000001.soma of the archive is missing/],
        ['a file too many', with_('part-000002.soma', bytes), firstKey, /holds part-000002.soma, which its manifest does not name/],
        ['a part that is cut', with_(part, bytes.subarray(0, -1)), firstKey, /has \d+ bytes, the manifest says \d+/],
        // wherever it falls: in a header, whose every member is held against what belongs there, or in what is encrypted
        ['a flipped bit', with_(part, flipped(bytes, bytes.length >> 1)), firstKey, /authentication fails|damaged|Block \d+ of the archive names the key/],
        [
          'a flipped bit of a key that is named',
          with_(part, flipped(bytes, bytes.indexOf('"key":"tenant-') + '"key":"tenant'.length)),
          firstKey,
          /names the key tenant,\d+ where tenant-\d+ belongs/,
        ],
        ['no key', sealed, undefined, /is encrypted with the key [0-9a-f]{16}: set BACKUP_KEY/],
        ['another key', sealed, otherKey, /is encrypted with the key [0-9a-f]{16}, and BACKUP_KEY is the key [0-9a-f]{16}/],
        ['a key for what has none', plain, firstKey, /not encrypted although BACKUP_KEY is set/],
        [
          'another schema',
          resealed(sealed, firstKey, (m) => {
            m.schema_version = schemaVersion + 1
          }),
          firstKey,
          new RegExp(`has schema ${schemaVersion + 1}, this version of Soma has schema ${schemaVersion}`),
        ],
        [
          'an older schema',
          resealed(sealed, firstKey, (m) => {
            m.schema_version = schemaVersion - 1
          }),
          firstKey,
          /restore it with the version that wrote it/,
        ],
        [
          'a newer tokenizer',
          resealed(sealed, firstKey, (m) => {
            m.tokenizer = 3
          }),
          firstKey,
          /counted by tokenizer 3/,
        ],
        [
          'another format',
          resealed(sealed, firstKey, (m) => {
            Object.assign(m, { format_version: 3 })
          }),
          firstKey,
          /has format 3 and this version of Soma reads format 2/,
        ],
        [
          'a path that leads out',
          resealed(sealed, firstKey, (m) => {
            Object.assign(m.parts[0] as object, { name: '../other/part-000001.soma' })
          }),
          firstKey,
          /names the part "..\/other\/part-000001.soma" where part-000001.soma belongs/,
        ],
        [
          'other columns',
          resealed(sealed, firstKey, (m) => {
            m.tables.memories?.columns.reverse()
          }),
          firstKey,
          /table memories has other columns/,
        ],
        // found after loading: nothing is kept of it
        [
          'another content hash',
          resealed(sealed, firstKey, (m) => {
            ;(m.tables.memories as { content: string }).content = '0'.repeat(64)
          }),
          firstKey,
          /rows of memories are not those/,
        ],
        [
          'another number of rows',
          resealed(sealed, firstKey, (m) => {
            ;(m.tables.vectors as { rows: number }).rows += 1
          }),
          firstKey,
          /rows of vectors, its manifest says/,
        ],
        [
          'a model less',
          resealed(sealed, firstKey, (m) => {
            m.embedding_models.length = 0
          }),
          firstKey,
          /vectors of the embedding model 1, which its manifest does not name: nothing was kept/,
        ],
        [
          'a generation that has none after it',
          resealed(sealed, firstKey, (m) => {
            m.installation.generation = 2 ** 31 - 1
          }),
          firstKey,
          /manifest.json is damaged/,
        ],
      ]
      await withTarget(product().engine, async (target) => {
        const before = await dump(target)
        for (const [what, files, key, message] of cases) {
          await expect(restore(target.local.db.owner, place(files), { key }), what).rejects.toThrow(message)
          expect(await dump(target), what).toEqual(before)
        }
        // and what is loaded otherwise than it was archived
        await adminSql(target, `create function spoil() returns trigger language plpgsql as $$ begin new.importance := 7; return new; end $$`)
        await adminSql(target, 'create trigger spoil before insert on memories for each row execute function spoil()')
        await expect(restore(target.local.db.owner, place(sealed), { key: firstKey })).rejects.toThrow(
          /After loading, the table memories holds \d+ rows that are not the \d+ of the archive: nothing was kept/,
        )
        expect(await dump(target)).toEqual(before)
        await adminSql(target, 'drop trigger spoil on memories')
        const ending = new AbortController()
        const onProgress = (step: string) => step === 'check' && ending.abort()
        await expect(restore(target.local.db.owner, place(sealed), { key: firstKey, signal: ending.signal, onProgress })).rejects.toThrow('The restore was stopped')
        expect(await dump(target)).toEqual(before)
        await restore(target.local.db.owner, place(sealed), { key: firstKey })
        expect(await restorable(target)).toEqual(await restorable(product()))
      })
    }, 120_000)

    test('does not go into a target that holds anything: a tenant, a key, a memory, a model, or the same archive', async () => {
      const fillings: [RegExp, (target: Product) => Promise<unknown>][] = [
        [/it has the tenant other/, (target) => adminSql(target, `insert into tenants (name) values ('other')`)],
        [/the tenant system has rows in api_keys/, (target) => adminSql(target, `insert into api_keys (tenant_id, key_id, secret_hash, scopes) values (0, 'k', '', '{}')`)],
        [/the tenant default has rows in audit_log/, (target) => adminSql(target, `insert into audit_log (tenant_id, at, actor, action) values (1, now(), 'a', 'b')`)],
        [/it has the embedding model m/, (target) => adminSql(target, `insert into embedding_models (name, dimension) values ('m', 3)`)],
      ]
      await withTarget(product().engine, async (target) => {
        for (const [message, fill] of fillings) {
          await fill(target)
          const before = await dump(target)
          await expect(restore(target.local.db.owner, place(plain))).rejects.toThrow(message)
          expect(await dump(target)).toEqual(before)
          await adminSql(target, `delete from tenants where tenant_id > 1`)
          for (const table of ['api_keys', 'audit_log', 'embedding_models']) await adminSql(target, `delete from ${table}`)
        }
        await restore(target.local.db.owner, place(plain))
        const before = await dump(target)
        await expect(restore(target.local.db.owner, place(plain))).rejects.toThrow('The target is not empty')
        expect(await dump(target)).toEqual(before)
      })
    })

    test('does not go into a target of an older schema', async () => {
      const { product: target, close } = await openProduct('pglite', undefined)
      try {
        await adminSql(target, `delete from schema_migrations where version = ${schemaVersion}`)
        await expect(restore(target.local.db.owner, place(plain))).rejects.toThrow(
          `The target has schema ${schemaVersion - 1}, the archive has schema ${schemaVersion}: run \`npx soma migrate\` first.`,
        )
      } finally {
        await close()
      }
    })
  },
  ['pglite', 'postgres 18'],
)
