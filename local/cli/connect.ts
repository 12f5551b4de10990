import { type Client, createClient } from '../../shared/client/index.ts'
import type { Local } from '../adapter.ts'
import { directConfig, type Globals, quietLog } from './globals.ts'
import { openUnlessServed } from './served.ts'

export type Connection = {
  client: Client
  /** The handlers in this process, when there is no server in between. */
  local?: Local
  /** A server that was found on the data directory, not asked for. */
  servedAt?: string
  close(): Promise<void>
}

/** The server of --url; otherwise the database of the configuration in this process, or the server that has it open already. */
export async function connect(globals: Globals, tenant?: string): Promise<Connection> {
  const { token } = globals
  const over = (url: string) => ({ client: createClient({ url, token, tenant }), close: async () => {} })
  if (globals.url) return over(globals.url)

  const config = await directConfig(globals)
  const found = await openUnlessServed(config, async () => {
    const { openLocal } = await import('../adapter.ts')
    return openLocal(config, quietLog(config))
  })
  if ('servedAt' in found) return { ...over(found.servedAt), servedAt: found.servedAt }
  const local = found.opened
  return { local, client: createClient({ url: 'http://127.0.0.1', fetch: local.fetch, token }), close: () => local.close() }
}

/** Runs `work` on a connection that is closed afterwards, whatever happens. */
export async function connected<T>(globals: Globals, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await connect(globals)
  try {
    return await work(connection)
  } finally {
    await connection.close()
  }
}
