import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { startLocal } from '../../local/serve.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { createLog } from '../../shared/telemetry/index.ts'
import { exitOf, startProcess, untilLine } from './processes.ts'

const directory = mkdtempSync(join(tmpdir(), 'soma-server-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const configOf = (name: string) => parseConfig({ PORT: '0', SOMA_DATA_DIR: join(directory, name), LOG_LEVEL: 'silent' })
const start = (name: string) => startLocal(configOf(name), createLog('silent'))
const child = (name: string) => startProcess(['bin/soma.ts', 'start'], { PORT: '0', SOMA_DATA_DIR: join(directory, name), LOG_LEVEL: 'error' })
const listening = async (process: ReturnType<typeof child>) => (await untilLine(process, /listens on (http:\/\/[\w.:]+)/))[1] as string

const post = (url: string, path: string, body: unknown) => fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

test('many requests at once are each answered as if alone', async () => {
  const server = await start('many')
  try {
    const stored = await Promise.all(Array.from({ length: 60 }, (_, i) => post(server.url, '/v1/memories', { text: `memory number ${i}`, user_id: `u${i % 5}` })))
    expect(stored.map((one) => one.status)).toEqual(Array(60).fill(201))
    const ids = await Promise.all(stored.map(async (one) => ((await one.json()) as { id: string }).id))
    expect(new Set(ids).size).toBe(60)
    const mixed = await Promise.all(
      ids.flatMap((id, i) => [
        fetch(`${server.url}/v1/memories/${id}`),
        post(server.url, '/v1/recall', { query: `number ${i}`, user_id: `u${i % 5}` }),
        post(server.url, '/v1/memories', '{'),
      ]),
    )
    expect(mixed.map((one) => one.status)).toEqual(ids.flatMap(() => [200, 200, 422]))
    await Promise.all(mixed.map((one) => one.arrayBuffer()))
  } finally {
    await server.close()
  }
})

test('an idle connection is kept for longer than a load balancer keeps its own', async () => {
  const server = await start('kept')
  try {
    const { headers } = await fetch(`${server.url}/healthz`)
    expect(headers.get('keep-alive')).toBe('timeout=75')
  } finally {
    await server.close()
  }
})

test('a page of another origin, or of a name made to point here, gets nothing in open mode', async () => {
  const server = await start('many')
  try {
    const { port } = new URL(server.url)
    const asked = await server.fetch(new Request(`http://rebound.example:${port}/stats`))
    expect(asked.status).toBe(401)
    const form = await fetch(`${server.url}/v1/memories`, { method: 'POST', headers: { origin: 'https://evil.example', 'content-type': 'text/plain' }, body: '{"text":"x"}' })
    expect(form.status).toBe(415)
    expect(form.headers.get('access-control-allow-origin')).toBeNull()
  } finally {
    await server.close()
  }
})

test('a second start on the same data directory or port is refused with what to do, and the first goes on', async () => {
  const server = await start('twice')
  try {
    await expect(start('twice')).rejects.toThrow(/in use|already|another/i)
    await expect(startLocal({ ...configOf('other'), PORT: Number(new URL(server.url).port) }, createLog('silent'))).rejects.toThrow(/Port \d+ .* is taken/)
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
  } finally {
    await server.close()
  }
  const again = await start('twice')
  await again.close()
})

test('kill -9 under load: everything that was answered is there after the restart, and the data directory is not locked', async () => {
  const first = child('killed')
  const url = await listening(first)
  const answered: { id: string; text: string }[] = []
  let sent = 0
  async function client(): Promise<void> {
    while (sent < 200) {
      const text = `memory ${sent++} before the crash`
      const response = await post(url, '/v1/memories', { text }).catch(() => undefined)
      const body = await response?.json().catch(() => undefined)
      if (response?.status === 201 && body) answered.push({ id: (body as { id: string }).id, text })
      if (answered.length === 120) first.kill('SIGKILL')
    }
  }
  await Promise.all(Array.from({ length: 8 }, client))
  await exitOf(first)
  expect(first.signalCode).toBe('SIGKILL')
  expect(answered.length).toBeGreaterThanOrEqual(120)

  const second = child('killed')
  const again = await listening(second)
  for (const { id, text } of answered) expect(await (await fetch(`${again}/v1/memories/${id}`)).json()).toMatchObject({ id, text })
  const { total_memories } = (await (await fetch(`${again}/stats`)).json()) as { total_memories: number }
  const { items } = (await (await post(again, '/v1/memories/list', { limit: 500 })).json()) as { items: { id: string }[] }
  expect(items).toHaveLength(total_memories)
  expect(items.map((one) => one.id)).toEqual(expect.arrayContaining(answered.map((one) => one.id)))
  second.kill('SIGTERM')
  expect(await exitOf(second)).toBe(0)
}, 120_000)
