import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openLocal } from '../../local/adapter.ts'
import { createClient } from '../../shared/client/index.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { createBucket, s3Environment, useS3 } from '../support/s3.ts'
import { requireService } from '../support/services.ts'
import { embeddedCopy } from '../support/template.ts'
import { hashOf, link, memory, ndjson, version } from '../support/transfer.ts'
import { runProcess, startProcess, untilLine } from './processes.ts'

const s3 = requireService('TEST_S3_URL')
const directory = mkdtempSync(join(tmpdir(), 'soma-cli-parts-'))
const path = (name: string) => join(directory, name)

const soma = (args: string[], environment: Record<string, string>) => runProcess(['bin/soma.ts', ...args], environment)
const started = async (data: string, more: Record<string, string> = {}): Promise<{ server: ChildProcess; url: string }> => {
  const server = startProcess(['bin/soma.ts', 'start'], { PORT: '0', SOMA_DATA_DIR: await embeddedCopy(path(data)), LOG_LEVEL: 'error', ...more })
  return { server, url: (await untilLine(server, /listens on (http:\/\/[\w.:]+)/))[1] as string }
}
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const lines = [version(1, 1), version(1, 2), memory(1, { version: 3 }), memory(2, { namespace: 'other', user_id: 'ada' }), memory(3), link(20, 1, 3)]

describe.each(['files', 'a bucket'] as const)('soma export and import in the background, in %s', (kind) => {
  const skipped = kind === 'a bucket' && !s3
  let server: ChildProcess | undefined
  let environment: Record<string, string> = {}
  beforeAll(async () => {
    if (skipped) return
    const bucket = kind === 'files' ? {} : { ...s3Environment(s3 as string), BACKUP_BUCKET: await createBucket(useS3(s3 as string).client) }
    const begun = await started(kind.replace(' ', '-'), bucket)
    server = begun.server
    environment = { SOMA_URL: begun.url }
  })
  afterAll(() => {
    server?.kill('SIGKILL')
  })

  test.skipIf(skipped)(
    'a file that was sent in the background comes back in the background, by its operation again and again',
    async () => {
      writeFileSync(path('in.ndjson'), ndjson([...lines, { id: 'none' }]))
      const imported = await soma(['import', path('in.ndjson'), '--background', '--json'], environment)
      expect(imported).toMatchObject({ code: 1, stderr: '' })
      expect(JSON.parse(imported.stdout)).toMatchObject({ lines: 7, imported: 3, versions: 2, links: 1, failed: 1, errors: [{ line: 7 }] })
      const out = path(`out-${kind}.ndjson`)
      const exported = await soma(['export', '--all-namespaces', '--versions', '--links', '--background', '--out', out], environment)
      expect(exported).toMatchObject({ code: 0, stdout: '' })
      expect(readFileSync(out, 'utf8')).toBe(ndjson(lines))
      expect(exported.stderr).toContain(`Exported 6 lines. Content hash ${hashOf(lines)}`)
      const operation = /The operation is ([0-9a-f-]{36})/.exec(exported.stderr)?.[1] as string
      const again = await soma(['export', '--operation', operation, '--json'], environment)
      expect(again).toMatchObject({ code: 0, stdout: ndjson(lines) })
      // what is there already is not fetched twice
      writeFileSync(out, ndjson(lines.slice(0, 4)))
      const resumed = await soma(['export', '--all-namespaces', '--versions', '--links', '--background', '--out', out, '--resume', '--json'], environment)
      expect(JSON.parse(resumed.stderr)).toMatchObject({ lines: 6, resumed_after: 4, hash: hashOf(lines) })
      expect(readFileSync(out, 'utf8')).toBe(ndjson(lines))
    },
    120_000,
  )

  test.skipIf(skipped)(
    'what it cannot send or fetch it says, with the exit code of the reason',
    async () => {
      for (const args of [
        ['import', '-', '--background'],
        ['import', path('in.ndjson'), '--background', '--namespace', 'other'],
        ['export', '--operation', 'x', '--resume', '--out', path('x')],
      ])
        expect(await soma(args, environment)).toMatchObject({ code: 2 })
      expect(await soma(['import', path('nowhere'), '--background'], environment)).toMatchObject({ code: 3 })
      expect(await soma(['export', '--operation', '01900000-0000-7000-8000-000000000000'], environment)).toMatchObject({ code: 3 })
      writeFileSync(path('other'), 'not an export\n')
      expect(await soma(['import', path('other'), '--background'], environment)).toMatchObject({ code: 1, stderr: expect.stringContaining('No line of the body could be read.') })
    },
    60_000,
  )
})

test('without a server it does the same in this process', async () => {
  writeFileSync(path('alone.ndjson'), ndjson(lines))
  const environment = { SOMA_DATA_DIR: await embeddedCopy(path('alone')) }
  expect(JSON.parse((await soma(['import', path('alone.ndjson'), '--background', '--json'], environment)).stdout)).toMatchObject({ imported: 3, links: 1, failed: 0 })
  expect((await soma(['export', '--all-namespaces', '--versions', '--links', '--background'], environment)).stdout).toBe(ndjson(lines))
}, 60_000)

test('a server that is killed in the middle of an import loses and doubles no line, and its export comes by the next one', async () => {
  const { server, url } = await started('killed')
  const client = createClient({ url })
  const all = Array.from({ length: 5_000 }, (_, n) => memory(n + 1))
  const body = Buffer.from(ndjson(all))
  const { id, parts } = await client.announceImport([body.length])
  await client.putPart(id, (parts as NonNullable<typeof parts>)[0] as NonNullable<typeof parts>[number], body)
  const out = await client.startExport({ all_namespaces: true })
  await client.startImport(id)
  while ((await client.operation(id)).progress === 0) await sleep(20)
  server.kill('SIGKILL')
  await once(server, 'exit')
  const config = parseConfig({ SOMA_DATA_DIR: path('killed'), LOG_LEVEL: 'silent' })
  const local = await openLocal(config, createLog('silent'))
  try {
    const next = createClient({ url: 'http://127.0.0.1', fetch: local.fetch })
    const between = await next.operation(id)
    const there = (await next.stats()).total_memories
    expect(there).toBe((between.result as { imported: number }).imported)
    expect(there).toBeGreaterThan(0)
    // as if the lease of the dead one had run out
    await local.db.owner.maintenance((sql) => sql.query(`update operations set lease_expires_at = now() where lease_expires_at is not null`))
    await local.runJob('run-operations')
    expect(await next.operation(id)).toMatchObject({ state: 'succeeded', result: { lines: 5_000, imported: 5_000, duplicate: 0, failed: 0 } })
    expect((await next.stats()).total_memories).toBe(5_000)
    expect((await next.operation(out.id)).state).toBe('succeeded')
  } finally {
    await local.close()
  }
}, 120_000)
