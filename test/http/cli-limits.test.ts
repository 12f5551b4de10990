import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { embeddedCopy } from '../support/template.ts'
import { freePort, runProcess } from './processes.ts'

const directory = await embeddedCopy(mkdtempSync(join(tmpdir(), 'soma-cli-limits-')))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const soma = (args: string[], env: Record<string, string> = {}) => runProcess(['bin/soma.ts', ...args], { SOMA_DATA_DIR: directory, LOG_LEVEL: 'silent', ...env })
const json = async (args: string[]) => JSON.parse((await soma([...args, '--json'])).stdout)

test('soma tenant limit shows, changes and takes back what a tenant is held to', async () => {
  await json(['tenant', 'create', 'acme'])
  expect((await json(['tenant', 'limit', 'acme'])).limits).toEqual({})
  const changed = await soma(['tenant', 'limit', 'acme', '--memories', '1000000', '--request-rate', '100/s', '--daily-writes', 'unlimited'])
  expect(changed.stdout).toMatch(/memories +1000000\n/)
  expect((await json(['tenant', 'limit', 'acme', '--memories', 'default'])).limits).toEqual({ request_rate: '100/s', daily_writes: 'unlimited' })
  const wrong = await soma(['tenant', 'limit', 'acme', '--request-rate', 'many'])
  expect(wrong.code).toBe(1)
  expect(wrong.stderr).toMatch(/\/request_rate .*takes a number a window, such as 100\/s/)
}, 120_000)

test('soma doctor says what is wrong with Redis', async () => {
  const { stdout, code } = await soma(['doctor', '--json'], { REDIS_URL: `redis://:secret@127.0.0.1:${await freePort()}` })
  const { checks } = JSON.parse(stdout)
  expect(checks.find(({ name }: { name: string }) => name === 'redis')).toEqual({
    name: 'redis',
    ok: false,
    detail:
      'Redis (REDIS_URL) is away: nobody listens there: look at its host and port, and whether it is started. Requests are answered meanwhile; each process counts rate limits by itself.',
  })
  expect(stdout).not.toContain('secret')
  expect(code).toBe(1)
}, 120_000)
