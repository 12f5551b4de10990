import { createHash } from 'node:crypto'
import type pg from 'pg'
import { partitionOf } from './partition.ts'

/** So many plans one connection keeps; one of a recall takes some 170 KB there. Connections are renewed, so what is asked no more makes room in the end. */
const mostPlans = 48
/** A text that was asked so often before is worth keeping: one that a filter made may never come again. */
const worthKeeping = 2
const mostTexts = 2_000

/** A statement on the tables of one tenant, and the name under which a connection keeps its plan. */
type Statement = { name: string; text: string; asked: number }
const statements = new Map<string, Statement>()
const keptBy = new WeakMap<pg.ClientBase, Set<string>>()

/**
 * The statement as it is sent for a tenant: on the tenant's own parts of partitioned tables, and by name where the connection is to keep its plan. Measured, two
 * fifths of a recall's time went into parsing and planning the same four statements.
 */
export function planned(client: pg.ClientBase, tenantId: number, text: string): { name?: string; text: string } {
  const statement = statementOf(partitionOf(tenantId), text)
  if (statement.asked++ < worthKeeping) return { text: statement.text }
  const kept = keptBy.get(client) ?? new Set()
  keptBy.set(client, kept)
  if (!kept.has(statement.name) && kept.size >= mostPlans) return { text: statement.text }
  kept.add(statement.name)
  return { name: statement.name, text: statement.text }
}

function statementOf(part: number, text: string): Statement {
  const key = `${part} ${text}`
  const known = statements.get(key)
  if (known) return known
  if (statements.size >= mostTexts) statements.clear()
  const own = onPart(part, text)
  // of the same name, the same text: a pooler may hand us a connection on which somebody else prepared it
  const made = { name: `soma_${createHash('sha256').update(own).digest('hex').slice(0, 32)}`, text: own, asked: 0 }
  statements.set(key, made)
  return made
}

/** The statement on the tenant's own parts of partitioned tables. */
export const onOwnParts = (tenantId: number, text: string): string => onPart(partitionOf(tenantId), text)
const onPart = (part: number, text: string) => text.replace(partitioned, `$1_p${part}`)

/** Where a statement names a table to read. What a caller sends is in the values, never in the text. */
const partitioned = /\b((?:from|join) (?:memories|memory_versions|postings|closed_postings|vectors|closed_vectors))\b/g

/**
 * Why a kept plan could not be used, undefined when it is about something else. 'pooler': it does not know of prepared statements, so one is missing (26000) or
 * already there (42P05). 'schema': a migration changed what it answers.
 */
export function lostPlanOf(error: unknown): 'pooler' | 'schema' | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  if (error.code === '26000' || error.code === '42P05') return 'pooler'
  return error.code === '0A000' && error.message.includes('cached plan') ? 'schema' : undefined
}
