import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { exitOf, freePort, startProcess, untilLine } from '../http/processes.ts'
import { type Answer, asAdmin, type Product } from '../support/engines.ts'

export type Server = { url: string; child: ChildProcess; call(key: string | null, method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> }

/** A server of the product in a process of its own, with a journal. */
export async function startServer(product: Product, journal: string, more: Record<string, string> = {}): Promise<Server> {
  const { POSTGRES_URL, POSTGRES_MIGRATION_URL, SIGNING_KEY } = product.local.config as unknown as Record<string, string>
  const env = {
    POSTGRES_URL,
    POSTGRES_MIGRATION_URL,
    SIGNING_KEY,
    SOMA_DATA_DIR: `${journal}-data`,
    JOURNAL_DIR: journal,
    PORT: await freePort(),
    AUTH_MODE: 'mixed',
    ...more,
  } as Record<string, string>
  const child = startProcess(['bin/soma.ts', 'start'], { LOG_LEVEL: 'warn', ...env })
  await untilLine(child, /listens on/)
  const url = `http://127.0.0.1:${env.PORT}`
  return {
    url,
    child,
    async call(key, method, path, body, headers = {}) {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(30_000),
      })
      const text = await response.text()
      const json = /[/+]json\b/.test(response.headers.get('content-type') ?? '')
      return { status: response.status, headers: response.headers, text, body: json && text ? JSON.parse(text) : undefined }
    },
  }
}

/** kill -9, and wait until it is gone. */
export async function kill({ child }: Server): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

export async function end({ child }: Server): Promise<void> {
  child.kill('SIGTERM')
  await exitOf(child)
}

/** The outside checker's look: how often each text is stored, versions of history included, straight from the tables. */
export async function storedTexts(product: Product, tenantId: number): Promise<Map<string, { ids: string[] }>> {
  const { rows } = await asAdmin(product.adminUrl as string, (admin) =>
    admin.query<{ text: string; ids: string[] }>(
      `select v.text, array_agg(v.id) as ids from (select m.id, m.text from memories m where m.tenant_id = $1
       union all select m.id, m.text from memory_versions m where m.tenant_id = $1) v group by v.text`,
      [tenantId],
    ),
  )
  return new Map(rows.map(({ text, ids }) => [text, { ids }]))
}
