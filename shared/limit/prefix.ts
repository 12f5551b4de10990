import { type Database, isUnreachable } from '../db/index.ts'

/** A restore raises the generation; the keys of the one before are left to expire. */
const cacheMs = 5_000

/** Begins the keys of this installation and generation in a Redis that others may use too. */
export function keyPrefix(app: Database): () => Promise<string> {
  // while the database is away its generation does not change either
  let last: string | undefined
  let known: { value: Promise<string>; until: number } | undefined
  return () => {
    if (!known || known.until < Date.now()) {
      const value = app
        .statement<{ id: string; generation: number }>({ role: 'soma_app', tenantId: null, readOnly: true }, 'select installation_id as id, generation from installation')
        .then(([row]) => {
          last = `soma:${row?.id}:${row?.generation}:`
          return last
        })
        .catch((error) => {
          known = undefined
          if (last !== undefined && isUnreachable(error)) return last
          throw error
        })
      known = { value, until: Date.now() + cacheMs }
    }
    return known.value
  }
}
