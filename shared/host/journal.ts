import { resolve } from 'node:path'
import { type Config, ConfigError } from '../config/index.ts'
import { type Journal, type JournalReader, keepReplaying, openJournal, readJournal } from '../journal/index.ts'
import { defaultLimits } from '../tenant/index.ts'
import { backupDeps } from './deps.ts'
import type { Runtime } from './runtime.ts'

/** What a process that stores does while the database is down; closed before the databases. */
export type RunningJournal = Pick<Journal, 'accept'> & { close(): Promise<void> }

/** Opens the journal of JOURNAL_DIR for this process and stores what is in it whenever the database answers; undefined where there is none. @throws Error when another process has it */
export async function startJournal(runtime: Pick<Runtime, 'breakers' | 'config' | 'databases' | 'log' | 'wake'>): Promise<RunningJournal | undefined> {
  const { config, databases, log, wake } = runtime
  if (config.JOURNAL_DIR === undefined) return undefined
  const { store, prefix } = backupDeps(runtime)
  const journal = await openJournal({
    directory: resolve(config.JOURNAL_DIR),
    maxBytes: config.JOURNAL_MAX_MB * 1024 * 1024,
    maxAgeMs: config.JOURNAL_MAX_HOURS * 3_600_000,
    app: databases.app,
    worker: databases.worker,
    limits: defaultLimits(config),
    shipping: { store, prefix },
    onBroken: (error, operation) => log.error({ err: error, operation }, 'an entry of the journal could not be stored'),
  }).catch((cause: NodeJS.ErrnoException) => {
    throw cause.syscall === undefined
      ? cause
      : new ConfigError(`JOURNAL_DIR names a directory that cannot be used (${cause.code}): it takes one that this process may write.`, { cause })
  })
  const replaying = keepReplaying(journal, {
    onReplayed(pass) {
      log.info({ ...pass }, 'journal replayed')
      wake('drain-outbox')
    },
    onShipped: (keys) => log.info({ keys }, 'journal shipped'),
    onError: (error, doing) => log.warn({ err: error, doing }, 'the journal could not be worked on; it is tried again'),
  })
  return {
    accept: journal.accept,
    async close() {
      await replaying.stop()
      await journal.close()
    },
  }
}

/** What is in the journal, for whoever tells of it; the process that writes it may be another. */
export function journalReader({ JOURNAL_DIR }: Config): JournalReader | undefined {
  return JOURNAL_DIR === undefined ? undefined : readJournal(resolve(JOURNAL_DIR))
}

/** @throws ConfigError in a Lambda */
export function refuseJournal({ JOURNAL_DIR }: Config): void {
  if (JOURNAL_DIR !== undefined)
    throw new ConfigError('JOURNAL_DIR is set, but a Lambda has no disk that outlives it: remove it here, and set it where POST /v1/memories is a container or a local server.')
}
