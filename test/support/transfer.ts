import { contentHash } from '../../shared/transfer/index.ts'
import type { Answer, Caller, Product } from './engines.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests read lines of many shapes
export type Line = Record<string, any>
export const everything = 'all_namespaces=true&versions=true&links=true'

export async function exportText(product: Product, caller: Caller, query = everything): Promise<string> {
  const answer = await product.call(caller, 'GET', `/v1/export?${query}`)
  if (answer.status !== 200) throw new Error(answer.text)
  return answer.text
}

export const parse = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
export const exportOf = async (product: Product, caller: Caller, query = everything) => parse(await exportText(product, caller, query))
export const ndjson = (lines: Line[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join('')

export function importOf(product: Product, caller: Caller, body: string | Uint8Array | Line[]): Promise<Answer> {
  return product.call(caller, 'POST', '/v1/import', Array.isArray(body) ? ndjson(body) : body, { 'content-type': 'application/x-ndjson' })
}

export function hashOf(lines: Line[]): string {
  const hash = contentHash()
  for (const line of lines) hash.add(line)
  return hash.digest().hash
}

export const uuid = (n: number) => `01890000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`

/** A memory line as an export writes it. */
export const memory = (n: number, more: Line = {}): Line => ({
  id: uuid(n),
  version: 1,
  namespace: 'default',
  coord: null,
  memory_type: 'episodic',
  text: `memory ${n}`,
  payload: null,
  messages: null,
  user_id: null,
  agent_id: null,
  app_id: null,
  run_id: null,
  session_id: null,
  speaker: null,
  language: null,
  metadata: {},
  tags: [],
  importance: 1,
  occurred_at: null,
  valid_from: null,
  valid_to: null,
  expires_at: null,
  supersedes: null,
  superseded_by: null,
  created_at: '2024-01-01T00:00:00.000Z',
  updated_at: '2024-06-01T00:00:00.000Z',
  ...more,
})
/** A closed version; each begins when the one before it ends. */
const minute = (n: number) => new Date(Date.UTC(2024, 0, 1) + n * 60_000).toISOString()
export const version = (n: number, number: number, more: Line = {}): Line => ({
  kind: 'version',
  ...memory(n, { version: number, text: `memory ${n} as it was in version ${number}`, updated_at: minute(number) }),
  state: 'closed',
  closed_at: minute(number + 1),
  ...more,
})
export const link = (n: number, from: number, to: number, more: Line = {}): Line => ({
  kind: 'link',
  id: uuid(n),
  from: uuid(from),
  to: uuid(to),
  type: 'related',
  weight: 1,
  metadata: {},
  created_at: '2024-01-03T00:00:00.000Z',
  ...more,
})

/** Links two memories by hand: the rows as the API's own verb leaves them. */
export async function insertLink(product: Product, caller: Caller, id: string, from: string, to: string, type = 'related'): Promise<void> {
  await product.local.db.app.transaction({ role: 'soma_app', tenantId: caller.tenantId }, (tx) =>
    tx.query(
      `insert into links (tenant_id, id, from_key, to_key, type, weight, metadata, version, created_at, recorded_at)
       select $1::integer, $2::uuid, f.memory_key, t.memory_key, $5::text, 0.5, '{"a":1}', 1, '2024-01-03T00:00:00Z', now() from memories f, memories t
       where f.tenant_id = $1::integer and t.tenant_id = $1::integer and f.id = $3::uuid and t.id = $4::uuid`,
      [caller.tenantId, id, from, to, type],
    ),
  )
}
