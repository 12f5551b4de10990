import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import type { Config } from '../../shared/config/index.ts'
import { CommandError } from './failure.ts'

/** Another command is done with the directory in a second or two; a server that starts or ends needs a moment as well. */
const patienceMs = 10_000
const Served = z.object({ url: z.string(), pid: z.number() })

const memory = 'memory://'
/** Where the embedded engine keeps its data, as it takes it. */
export const dataDirOf = ({ SOMA_DATA_DIR }: Config) => (SOMA_DATA_DIR === memory ? memory : resolve(SOMA_DATA_DIR))
const fileOf = (config: Config) => join(dataDirOf(config), 'server.json')

/** Notes beside the data which server works on it, so that commands find it whatever its port is. Gives back what removes the note. */
export function noteServer(config: Config, url: string): () => void {
  if (config.POSTGRES_URL || dataDirOf(config) === memory) return () => {}
  // what listens on every address is reached, without a credential too, on the loopback one
  const reachable = url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
  writeFileSync(fileOf(config), `${JSON.stringify({ url: reachable, pid: process.pid })}\n`, { mode: 0o600 })
  return () => rmSync(fileOf(config), { force: true })
}

/**
 * Opens the database of the configuration, or names the server that has it open: the embedded engine takes one process at a time.
 * @throws CommandError unavailable when the directory stays locked by something that is no server
 */
export async function openUnlessServed<T>(config: Config, open: () => Promise<T>): Promise<{ opened: T } | { servedAt: string }> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    try {
      return { opened: await open() }
    } catch (error) {
      const holder = lockHolder(error)
      if (holder === undefined) throw error
      const url = serverOf(config, holder)
      if (url && (await isAlive(url))) return { servedAt: url }
      if (Date.now() > deadline) {
        const where = `http://127.0.0.1:${config.PORT}`
        throw new CommandError(
          'unavailable',
          `The data directory ${dataDirOf(config)} is in use by process ${holder}. If that is a server, use --url ${where} (or where it listens).`,
          error,
        )
      }
      await sleep(200)
    }
  }
}

/** The process that the lock's message names; undefined for any other error. */
function lockHolder(error: unknown): string | undefined {
  return error instanceof Error ? /^The data directory .+ is in use by .*\(pid (\w+)\)/s.exec(error.message)?.[1] : undefined
}

/** A note that a killed server left behind names another process than the one that holds the lock. */
function serverOf(config: Config, holder: string): string | undefined {
  try {
    const served = Served.parse(JSON.parse(readFileSync(fileOf(config), 'utf8')))
    return String(served.pid) === holder ? served.url : undefined
  } catch {
    return undefined // no note, or one that is being written
  }
}

async function isAlive(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false // it has just started, or is about to end
  }
}
