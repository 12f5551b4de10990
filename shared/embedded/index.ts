import { type Database, databaseOver, type Settings } from '../db/index.ts'
import { type EmbeddedOptions, openEmbedded } from './open.ts'

export { type Embedded, type EmbeddedOptions, openEmbedded } from './open.ts'

/**
 * The embedded engine as a Database. Apart from shared/db, so that no bundle of a deployed function carries it.
 * @throws Error when the directory is in use, holds something else, or belongs to another engine version
 */
export async function openEmbeddedDatabase({ settings = {}, ...options }: EmbeddedOptions & { settings?: Settings }): Promise<Database & { engineVersion: string }> {
  const engine = await openEmbedded(options)
  return { ...databaseOver(engine.pool, 'pglite', () => engine.close(), { settings }), engineVersion: engine.engineVersion }
}
