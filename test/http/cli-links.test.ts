import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLocal } from '../../local/serve.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { embeddedCopy } from '../support/template.ts'
import { runProcess } from './processes.ts'

const env: Record<string, string> = {}
let server: Awaited<ReturnType<typeof startLocal>>
beforeAll(async () => {
  server = await startLocal(parseConfig({ PORT: '0', SOMA_DATA_DIR: await embeddedCopy(), LOG_LEVEL: 'silent' }), createLog('silent'))
  env.SOMA_URL = server.url
})
afterAll(() => server?.close())

const soma = (...args: string[]) => runProcess(['bin/soma.ts', ...args], env)
// biome-ignore lint/suspicious/noExplicitAny: tests read answers of many shapes
async function json(...args: string[]): Promise<any> {
  const { code, stdout, stderr } = await soma(...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}
async function refusal(...args: string[]): Promise<{ exit: number | null; code: string }> {
  const { code, stderr } = await soma(...args, '--json')
  return { exit: code, ...JSON.parse(stderr).error }
}

test('memories are linked, walked and unlinked', async () => {
  const stored = await Promise.all(['tea', 'cup', 'kettle'].map((text) => json('store', text, '--user', 'links')))
  const [tea, cup, kettle] = stored.map(({ id }) => id)
  const [made] = await Promise.all([json('link', tea, cup, '--type', 'needs', '--weight', '2', '--metadata', '{"by":"me"}'), json('link', cup, kettle)])
  expect(made).toMatchObject({ from: tea, to: cup, type: 'needs', weight: 2, metadata: { by: 'me' } })
  const [around, into, path, none] = await Promise.all([
    json('neighbors', tea, '--hops', '2', '--limit', '5'),
    json('neighbors', kettle, '--direction', 'in', '--type', 'related'),
    json('path', tea, kettle),
    json('path', tea, kettle, '--max-hops', '1'),
  ])
  expect(around.items).toMatchObject([
    { hops: 1, memory: { id: cup }, link: made },
    { hops: 2, memory: { id: kettle } },
  ])
  expect(into.items).toMatchObject([{ memory: { id: cup } }])
  expect([path, none]).toMatchObject([{ path: [{ id: tea }, { id: cup }, { id: kettle }], cost: 1.5 }, { path: [] }])
  const shown = await Promise.all([soma('path', tea, kettle), soma('neighbors', tea, '--hops', '2')])
  expect(shown[0].stdout).toMatch(/^\S+ +tea\n\S+ {2}--needs 2--> +cup\n\S+ {2}--related 1--> {2}kettle\nCost 1\.5 over 2 links\.\n$/)
  expect(shown[1].stdout).toMatch(/^1 {2}\S+ {2}--needs 2--> +cup\n2 {2}\S+ {2}--related 1--> {2}kettle\n2 neighbours\.\n$/)
  expect(await json('unlink', made.id)).toEqual({ id: made.id, unlinked: true })
  const [again, itself, alone, apart] = await Promise.all([refusal('unlink', made.id), refusal('link', tea, tea), soma('neighbors', tea), soma('path', tea, kettle)])
  expect([again, itself]).toMatchObject([
    { exit: 3, code: 'not_found' },
    { exit: 1, code: 'invalid' },
  ])
  expect([alone.stdout, apart.stdout]).toEqual(['It has no neighbours there.\n', 'There is no such path.\n'])
})
