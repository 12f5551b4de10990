import { expect } from 'vitest'
import { type ProblemCode, problems } from '../../shared/problem/index.ts'
import { insertKey, type Scope, systemTenantId } from '../../shared/tenant/index.ts'
import type { Answer, Caller, Product } from '../support/engines.ts'

/** What no answer may show: SQL, stacks, our roles and our own files. */
export const leaks = /\b(?:select|insert into|update \w+ set|soma_app|soma_worker|soma_owner|pg_\w+|SQLSTATE)\b|\n\s+at |node_modules|\.ts:\d/

/** An RFC 9457 problem of this code, complete, and naming the field when one is given. */
export function expectProblem(answer: Answer, code: ProblemCode, pointer?: string): void {
  expect({ status: answer.status, code: answer.body?.code }, answer.text.slice(0, 500)).toEqual({ status: problems[code][0], code })
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.body).toMatchObject({ type: `urn:soma:problem:${code}`, title: problems[code][1], instance: expect.any(String) })
  expect(answer.body.detail.length).toBeGreaterThan(0)
  expect(answer.body.request_id).toBe(answer.headers.get('x-request-id'))
  expect(answer.text).not.toMatch(leaks)
  if (pointer !== undefined) expect(answer.body.errors?.map((one: { pointer: string }) => one.pointer)).toContain(pointer)
}

/** Every table that holds rows of a tenant, as the catalog knows them. */
export async function tenantTables(product: Product): Promise<string[]> {
  const rows = await product.local.db.owner.maintenance((sql) =>
    sql.query<{ name: string }>(`select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
      where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = current_schema()::regnamespace order by 1`),
  )
  return rows.map((row) => row.name)
}

/** Rows by table, of everybody: read as the superuser, whom no policy binds. That somebody was denied is written whenever the process gets to it. */
export async function countRows(product: Product): Promise<Record<string, number>> {
  const tables = (await tenantTables(product)).filter((name) => name !== 'usage_batches')
  const [row] = await product.local.db.owner.maintenance((sql) =>
    sql.query<Record<string, number>>(
      `select ${tables.map((name) => `(select count(*)::integer from ${name}${name === 'audit_log' ? ` where action <> 'request.denied'` : ''}) as ${name}`).join(', ')}`,
    ),
  )
  return row as Record<string, number>
}

/** Runs `attempts` and shows that not one row came or went. */
export async function expectNothingWritten(product: Product, attempts: () => Promise<void>): Promise<void> {
  await product.settle()
  const before = await countRows(product)
  await attempts()
  await product.settle()
  expect(await countRows(product)).toEqual(before)
}

export const nested = (levels: number): Record<string, unknown> => (levels === 1 ? {} : { a: nested(levels - 1) })

/** A key of the system tenant, which no endpoint hands out first. */
export async function systemKey(product: Product, scopes: Scope[] = ['platform:tenants', 'platform:backups', 'platform:drills', 'admin']): Promise<Caller> {
  const { key } = await product.local.db.worker.transaction({ role: 'soma_worker', tenantId: systemTenantId }, (tx) => insertKey(tx, systemTenantId, 'local', { name: '', scopes }))
  return { tenant: 'system', tenantId: systemTenantId, key: key as string }
}
