import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createBackup } from '../../functions/backup/handler.ts'
import { createRestore } from '../../functions/restore/handler.ts'
import { fileStore } from '../../shared/blob/index.ts'
import { firstKey, restorable, withTarget } from '../support/archives.ts'
import { describeEngines } from '../support/engines.ts'
import { adminSql, loseWakeUps } from './admin.ts'

const folder = mkdtempSync(join(tmpdir(), 'soma-backups-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describeEngines(
  'the handlers backup and restore',
  (product) => {
    test('write an archive under a new name and prefix, and restore the one that is named', async () => {
      await loseWakeUps(product())
      const ada = await product().tenant()
      await product().call(ada, 'POST', '/v1/memories', { text: 'Ada prefers tea' })
      const place = { store: async () => fileStore(join(folder, product().engine.replace(' ', ''))), prefix: 'nightly/eu', key: firstKey }
      const job = createBackup({ worker: product().local.db.worker, ...place })
      const signal = new AbortController().signal
      const [first, second] = [await job(signal), await job(signal)]
      expect(first).toMatchObject({ remaining: false, detail: { name: expect.stringMatching(/^\d{8}T\d{6}Z-[0-9a-f]{8}-[0-9a-f]{8}$/), encrypted: true } })
      expect(second.detail?.name).not.toBe(first.detail?.name)
      await withTarget(product().engine, async (target) => {
        const restoreFrom = (from: string | undefined) => createRestore({ owner: target.local.db.owner, ...place, from })(signal)
        await expect(restoreFrom(undefined)).rejects.toThrow('RESTORE_FROM is missing')
        await expect(restoreFrom('20200101T000000Z-00000000')).rejects.toThrow('There is no archive here')
        await expect(restoreFrom('../../elsewhere')).rejects.toThrow('is no key')
        expect(await restoreFrom(first.detail?.name as string)).toMatchObject({ done: first.done, detail: { generation: 2 } })
        expect(await restorable(target)).toEqual(await restorable(product()))
        const noted = await adminSql(target, `select tenant_id, actor, detail->'generation' as generation from audit_log where action = 'backup.restore'`)
        expect(noted).toEqual([{ tenant_id: 0, actor: 'restore', generation: 2 }])
      })
    })

    test('say that a database in memory has nowhere to put one', async () => {
      await expect(product().local.runJob('backup')).rejects.toThrow('SOMA_DATA_DIR got "memory://"')
      await expect(product().local.runJob('restore')).rejects.toThrow('RESTORE_FROM is missing')
    })
  },
  ['pglite', 'postgres 18'],
  async () => ({ SOMA_DATA_DIR: 'memory://' }),
)
