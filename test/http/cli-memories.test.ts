import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startLocal } from '../../local/serve.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { embeddedCopy } from '../support/template.ts'
import { runProcess } from './processes.ts'

const directory = mkdtempSync(join(tmpdir(), 'soma-cli-memories-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const env: Record<string, string> = { SOMA_DATA_DIR: await embeddedCopy(join(directory, 'data')) }
const soma = (...args: string[]) => runProcess(['bin/soma.ts', ...args], env)
// biome-ignore lint/suspicious/noExplicitAny: tests read answers of many shapes
async function json(...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await soma(...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

test('on the data directory itself a memory is read, forgotten and still in its history', async () => {
  const { id } = await json('store', 'tea in the morning')
  expect((await json('list')).items.map((one: { id: string }) => one.id)).toEqual([id])
  expect(await json('forget', id)).toEqual({ id, forgotten: true })
  expect(await soma('get', id)).toMatchObject({ code: 3, stdout: '' })
  expect((await json('history', id)).items).toHaveLength(2)
}, 60_000)

describe('list, get, history and forget over HTTP', () => {
  let server: Awaited<ReturnType<typeof startLocal>> | undefined
  beforeAll(async () => {
    server = await startLocal(parseConfig({ PORT: '0', SOMA_DATA_DIR: await embeddedCopy(), LOG_LEVEL: 'silent' }), createLog('silent'))
    env.SOMA_URL = server.url
  })
  afterAll(() => server?.close())

  test('a memory is listed, read, followed through its versions and forgotten', async () => {
    const first = await json('store', 'tea in the morning', '--user', 'ada', '--coord', '1,2', '--tags', 'drinks')
    const second = await json('store', 'coffee after noon', '--user', 'ada')
    expect(await json('store', 'tea all day', '--user', 'ada', '--coord', '1,2')).toMatchObject({ id: first.id, version: 2 })

    const page = await json('list', '--user', 'ada', '--limit', '1', '--order-by', 'created_at asc')
    expect(page).toMatchObject({ items: [{ id: first.id, version: 2 }], next_cursor: expect.any(String) })
    const next = await json('list', '--user', 'ada', '--limit', '1', '--order-by', 'created_at asc', '--cursor', page.next_cursor)
    expect(next).toMatchObject({ items: [{ id: second.id }], next_cursor: null })
    expect((await json('list', '--filters', '{"text":{"contains":"coffee"}}')).items).toHaveLength(1)
    expect((await soma('list', '--user', 'nobody')).stdout).toBe('There are no such memories.\n')

    expect(await json('get', first.id)).toMatchObject({ id: first.id, text: 'tea all day', user_id: 'ada' })
    expect((await soma('get', first.id)).stdout).toMatch(/^text +tea all day$/m)
    expect((await json('history', first.id)).items.map((one: { version: number; state: string }) => [one.version, one.state])).toEqual([
      [1, 'closed'],
      [2, 'open'],
    ])

    expect(await soma('forget', first.id, '--if-version', '1')).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('version 2') })
    expect(await json('forget', first.id, '--if-version', '2')).toEqual({ id: first.id, forgotten: true })
    expect(await soma('get', first.id)).toMatchObject({ code: 3, stdout: '' })
    expect((await json('list', '--user', 'ada')).items.map((one: { id: string }) => one.id)).toEqual([second.id])
    const shown = await soma('history', first.id)
    expect(shown).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^3 +deleted /m) })
    expect(await soma('forget', first.id)).toMatchObject({ code: 3, stdout: '' })
  }, 60_000)

  test('what matches is counted first and forgotten with --yes, and the past still shows it', async () => {
    const one = await json('store', 'cocoa at night', '--user', 'eve')
    await json('store', 'more cocoa', '--user', 'eve', '--tags', 'keep')
    const then = one.updated_at
    expect(await soma('forget')).toMatchObject({ code: 2 })
    expect(await soma('forget', one.id, '--user', 'eve')).toMatchObject({ code: 2 })
    expect((await soma('forget', '--user', 'eve')).stdout).toBe('2 memories match. With --yes they are forgotten.\n')
    const filters = '{"NOT":{"tags":{"contains":"keep"}}}'
    expect(await json('forget', '--user', 'eve', '--filters', filters, '--yes')).toEqual({ deleted: 1 })
    expect((await json('list', '--user', 'eve')).items.map((item: { text: string }) => item.text)).toEqual(['more cocoa'])
    expect((await json('list', '--user', 'eve', '--as-of', then)).items.map((item: { text: string }) => item.text)).toEqual(['cocoa at night'])
    expect((await json('recall', 'cocoa', '--user', 'eve', '--as-of', then)).results.map((item: { text: string }) => item.text)).toEqual(['cocoa at night'])
    expect(await json('get', one.id, '--as-of', then)).toMatchObject({ text: 'cocoa at night' })
    expect((await json('history', one.id, '--as-of', then)).items).toMatchObject([{ version: 1, state: 'open' }])
    expect((await json('recall', 'cocoa', '--user', 'eve', '--valid-at', '2020-01-01')).results).toHaveLength(1)
    await json('store', 'Die alte Fabrik war im Krieg.', '--user', 'eve')
    expect((await json('recall', 'war', '--user', 'eve', '--language', 'de')).results).toEqual([])
    expect((await json('recall', 'Fabriken', '--user', 'eve', '--language', 'de')).results).toHaveLength(1)
  }, 60_000)
})
