import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openLocal } from '../../local/adapter.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { newModel, oldModel, startNewModel, stopNewModel } from '../support/models.ts'
import { embeddedCopy } from '../support/template.ts'
import { runProcess } from './processes.ts'

let directory: string
let env: Record<string, string>
const memories = 30

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'soma-cli-models-'))
  env = { ...(await startNewModel()), SOMA_DATA_DIR: await embeddedCopy(join(directory, 'data')) }
  const local = await openLocal(parseConfig({ ...env, LOG_LEVEL: 'silent' }), createLog('silent'))
  const items = Array.from({ length: memories }, (_, i) => ({ text: `note ${i} on tea, of kind ${i % 5}` }))
  await local.fetch(new Request('http://127.0.0.1/v1/memories/bulk', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ items }) }))
  await local.runJob('drain-outbox')
  await local.close()
}, 120_000)
afterAll(async () => {
  await stopNewModel()
  await rm(directory, { recursive: true, force: true })
})

const soma = (args: string[], more: Record<string, string> = {}) => runProcess(['bin/soma.ts', ...args], { ...env, ...more })
// biome-ignore lint/suspicious/noExplicitAny: tests read answers of many shapes
async function json(args: string[], code = 0): Promise<any> {
  const ended = await soma([...args, '--json'])
  expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code, stderr: '' })
  return JSON.parse(ended.stdout)
}

test('a model’s whole way by the command line: introduce, status, compare, switch, back, drop', { timeout: 240_000 }, async () => {
  expect((await json(['models', 'list'])).models).toMatchObject([{ name: oldModel, dimension: 384, use: null }])
  expect(await soma(['models', 'introduce'], { EMBEDDER_NEXT: '' })).toMatchObject({ code: 1, stderr: expect.stringContaining('EMBEDDER_NEXT is missing') })
  expect(await soma(['models', 'compare'])).toMatchObject({ code: 1, stderr: expect.stringContaining('There is one model only') })
  expect((await soma(['doctor'])).stdout).toMatch(/ok +next embedder/)
  expect(await json(['models', 'introduce'])).toMatchObject({ searched: { name: oldModel }, kept: { name: newModel, dimension: 48 } })
  const before = await soma(['models', 'status'])
  expect([before.code, before.stdout]).toEqual([1, expect.stringContaining(`${newModel} is not ready to be searched: ${memories} memories have no vector of it.`)])
  const refused = await soma(['models', 'switch', newModel])
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('--force searches it all the same') })

  expect(JSON.parse((await soma(['worker', 'reembed', '--once', '--json'])).stdout)).toMatchObject({ runs: 1, done: memories, failed: 0 })
  const { models } = await json(['models', 'status', '--watch'])
  expect(models).toMatchObject([
    { name: oldModel, use: 'searched', memories, covered: memories, missing: 0 },
    { name: newModel, use: 'kept', memories, covered: memories, missing: 0, missing_indexes: [], progress: { covered: memories, total: memories } },
  ])

  const queries = join(directory, 'queries.txt')
  await writeFile(queries, 'tea of kind 3\n\nnote 7\n')
  const compared = await json(['models', 'compare', '--queries', queries, '-k', '5', '--mode', 'vector'])
  expect(compared).toMatchObject({ queries: 2, top_k: 5, mode: 'vector', searched: { model: oldModel }, kept: { model: newModel, dimension: 48, p50_ms: expect.any(Number) } })
  expect(compared.overlap).toBeGreaterThan(0)
  expect(compared.overlap).toBeLessThanOrEqual(1)
  expect(compared.furthest.map((one: { searched: string[] }) => one.searched.length)).toEqual([5, 5])
  const sampled = await soma(['models', 'compare', '--sample', '8'])
  expect(sampled).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(
      /^MODEL .*\nhash-trigram-1 .*\nnew-model .*\n8 queries, the first 10 by hybrid: overlap [01]\.\d{3}, rank correlation -?[01]\.\d{3}, same first [01]\.\d{3}\.\n/,
    ),
  })

  expect(await json(['models', 'switch', newModel])).toMatchObject({ queued: 0, roles: { searched: { name: newModel }, kept: { name: oldModel } } })
  expect((await json(['recall', 'tea of kind 3', '--mode', 'vector'])).degraded).toBe(false)
  expect((await json(['verify-index'])).current).toMatchObject({ model: newModel, use: 'searched', vectors: memories, missing: 0 })
  expect((await soma(['models', 'switch', oldModel])).stdout).toBe(`Recall searches ${oldModel}. ${newModel} is kept: \`soma models switch ${newModel}\` goes back.\n`)
  await json(['models', 'switch', newModel])

  expect(await soma(['models', 'drop', oldModel])).toMatchObject({ code: 2, stderr: expect.stringContaining('add --yes') })
  expect(await soma(['models', 'drop', newModel, '--yes'])).toMatchObject({ code: 1, stderr: expect.stringContaining('switch to another one first') })
  expect(await json(['models', 'drop', oldModel, '--yes'])).toMatchObject({ removed: memories, whole: true, roles: { searched: { name: newModel } } })
  expect((await soma(['models', 'list'])).stdout).toBe(`MODEL           DIMENSION  USE\n${oldModel}  384        dropped\n${newModel}       48         recall searches it\n`)
})
