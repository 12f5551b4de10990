import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openLocal } from '../../local/adapter.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { embeddedCopy } from '../support/template.ts'
import { runProcess } from './processes.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'soma-cli-audit-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

test('list, checkpoint and verify, on the database itself; what was changed ends with 1 and says where', { timeout: 120_000 }, async () => {
  const env = { SOMA_DATA_DIR: await embeddedCopy(join(directory, 'data')) }
  const soma = (...args: string[]) => runProcess(['bin/soma.ts', 'audit', ...args], env)
  const onDatabase = async (work: (local: Awaited<ReturnType<typeof openLocal>>) => Promise<unknown>) => {
    const local = await openLocal(parseConfig({ ...env, LOG_LEVEL: 'silent' }), createLog('silent'))
    local.jobs.wake = () => {}
    await work(local).finally(() => local.close())
  }
  await onDatabase(async (local) => {
    for (const text of ['one', 'two', 'three']) {
      const body = JSON.stringify({ text })
      await local.fetch(new Request('http://127.0.0.1/v1/memories', { method: 'POST', headers: { 'content-type': 'application/json' }, body }))
    }
    await local.runJob('seal-audit')
  })
  expect((await soma('list', '--action', 'memory.store', '--limit', '2')).stdout).toMatch(
    /^AT +PLACE +ACTOR +ACTION +TARGET +DETAIL\n.* 3 +open +memory\.store .*\n.* 2 .*\n2 rows; more with/,
  )

  const kept = join(directory, 'checkpoints.ndjson')
  const written = await soma('checkpoint')
  expect(
    written.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(JSON.parse(line).statement)),
  ).toMatchObject([{ tenant: 'default', position: 3 }])
  await writeFile(kept, written.stdout)
  const good = await soma('verify', '--against', kept)
  expect([good.code, good.stdout]).toEqual([0, expect.stringMatching(/ok +default: 3 rows, 1 checkpoint\nNothing is wrong\.\n$/)])

  await onDatabase((local) =>
    local.db.owner.maintenance(async (sql) => {
      await sql.query(`update audit_log set actor = 'nobody' where tenant_id = 1 and seq = (select seq from audit_chain where tenant_id = 1 and position = 2)`)
      await sql.query('delete from audit_log where tenant_id = 1 and seq = (select seq from audit_chain where tenant_id = 1 and position = 3)')
      await sql.query('delete from audit_chain where tenant_id = 1 and position = 3')
      await sql.query('delete from audit_checkpoints where tenant_id = 1')
    }),
  )
  const bad = await soma('verify', '--tenant', 'default', '--against', kept)
  expect(bad.code).toBe(1)
  expect(bad.stdout).toMatch(
    /^FAIL +default: 2 rows, 0 checkpoints; 3 faults\n {2}changed at place 2, row \d+: .*\n {2}cut at place 3: .*\n {2}unproved: .*\nThe audit log is not what was sealed\.\n$/,
  )

  await writeFile(kept, `${written.stdout}{"statement":"x"}\n`)
  expect((await soma('verify', '--against', kept)).stderr).toBe('Line 2 of the file is no checkpoint, as `soma audit checkpoint` writes it.\n')
  expect((await soma('verify', '--against', join(directory, 'nowhere'))).code).toBe(2)
})
