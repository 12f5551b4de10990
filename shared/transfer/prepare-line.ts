import { type PreparedItem, prepareStored, uuidv7 } from '../memory/index.ts'
import type { LinkLine, MemoryLine, VersionLine } from './line.ts'

/** The embedding model and dimension of a line → its key here, and whether it is the one that recall uses. */
export type KnownModels = (name: string, dimension: number) => { key: number; current: boolean } | undefined

/** The turn that a line's vector was made behind, as take_contexts takes it; `closed` is the version that the vector is of, where that is closed. */
export type LineContext = { id: string; closed: number | null; context_id: string; context_version: number }
export type PreparedLine = PreparedItem & { context: LineContext | undefined }

/** A memory or version as import_line takes it. What has no times of its own gets those of this import. */
export function prepareLine(kind: 'memory' | 'version', given: MemoryLine | VersionLine, now: string, models: KnownModels): PreparedLine {
  const { embedding, embedding_model, embedding_dim, embedding_context: turn, created_at, updated_at, ...line } = given
  const model = embedding && models(embedding_model as string, embedding_dim as number)
  // a closed version that names no time of storing was stored at some time before it was closed
  const recorded = updated_at ?? created_at ?? ('closed_at' in given ? given.closed_at : now)
  const closed = kind === 'version' ? given.version : null
  const context = model && turn ? { id: given.id, closed, context_id: turn.id, context_version: turn.version } : undefined
  const item = prepareStored({
    ...line,
    kind,
    created_at: created_at ?? recorded,
    recorded_at: recorded,
    ...(model ? { model_key: model.key, indexed: model.current, embedding: `[${embedding.join(',')}]` } : {}),
  })
  return { ...item, context }
}

/** A link as import_link takes it. */
export function prepareLink({ kind: _kind, ...line }: LinkLine, now: string): Record<string, unknown> & { id: string } {
  return { ...line, created_at: line.created_at ?? now, event_id: uuidv7() }
}
