import { type MemoryRow, memoryOf } from '../memory/index.ts'

/** A row with its vector as pgvector writes it, where one is asked for and there. */
export type OutRow = MemoryRow & { embedding?: string | null; embedding_model?: string | null; embedding_dim?: number | null; embedding_context?: Context | null; closed_at?: Date }
type Context = { id: string; version: number }
export type LinkRow = { id: string; from: string; to: string; type: string; weight: number; metadata: Record<string, unknown>; created_at: Date }

/** A memory or, where it was closed, a version as one line. The names stand in this order in every line. */
export function memoryLine(row: OutRow): string {
  const { memory: _alias, index_state: _state, ...memory } = memoryOf(row)
  const line = JSON.stringify(row.closed_at ? { kind: 'version', ...memory, state: 'closed', closed_at: row.closed_at.toISOString() } : memory)
  if (!row.embedding) return `${line}\n`
  // the text of a halfvec is a JSON array already: nothing is rounded on the way, and nothing is parsed
  const context = row.embedding_context ? `,"embedding_context":${JSON.stringify(row.embedding_context)}` : ''
  return `${line.slice(0, -1)},"embedding":${row.embedding},"embedding_model":${JSON.stringify(row.embedding_model)},"embedding_dim":${row.embedding_dim}${context}}\n`
}

export function linkLine({ id, from, to, type, weight, metadata, created_at }: LinkRow): string {
  return `${JSON.stringify({ kind: 'link', id, from, to, type, weight, metadata, created_at: created_at.toISOString() })}\n`
}
