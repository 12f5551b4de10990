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
async function refusal(...args: string[]): Promise<{ exit: number | null; code: string; errors?: { pointer: string }[] }> {
  const { code, stderr } = await soma(...args, '--json')
  return { exit: code, ...JSON.parse(stderr).error }
}

test('namespaces, users, sessions and usage are listed, as tables and as JSON', async () => {
  const who = 'über\tada'
  await json('store', 'in a session', '--namespace', 'talks', '--user', who, '--session', 's1')
  await json('store', 'elsewhere')
  const counted = { memories: 1, last_activity: expect.any(String) }
  const [namespaces, users, sessions, shown, usage] = await Promise.all([
    json('namespaces'),
    json('users', '--namespace', 'talks'),
    json('sessions', '--namespace', 'talks', '--user', who),
    soma('sessions', '--namespace', 'talks'),
    json('usage', '--by', 'hour'),
  ])
  expect(namespaces).toEqual({
    items: [
      { namespace: 'default', ...counted },
      { namespace: 'talks', ...counted },
    ],
  })
  expect(users).toEqual({ items: [{ user_id: who, ...counted }] })
  expect(sessions).toEqual({ items: [{ session_id: 's1', user_id: who, agent_id: null, app_id: null, run_id: null, ...counted }] })
  expect(shown.stdout).toMatch(/^SESSION {2}USER {6}AGENT {2}APP {2}RUN {2}MEMORIES {2}LAST ACTIVITY\ns1 {7}über ada {2}- {6}- {4}- {4}1 {9}20/)
  expect(usage).toMatchObject({ by: 'hour', totals: { memories: 2, stores: 2 } })
  expect((await soma('usage', '--from', usage.from.slice(0, 10))).stdout).toMatch(/^START {7}MEMORIES {2}.*\n(\d{4}-\d\d-\d\d {2}.*\n)+total {7}2 /)
})

test('wrong usage of them is refused', async () => {
  const [time, size, place] = await Promise.all([refusal('usage', '--from', 'yesterday'), refusal('usage', '--by', 'week'), refusal('users', 'ada')])
  expect(time).toMatchObject({ exit: 1, code: 'invalid', errors: [{ pointer: '/from' }] })
  for (const one of [size, place]) expect(one).toMatchObject({ exit: 2, code: 'usage' })
})
