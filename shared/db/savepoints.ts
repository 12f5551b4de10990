import { setTimeout as sleep } from 'node:timers/promises'
import type { Database, Sql } from './database.ts'
import { isRetryable, toAppError } from './sqlstate.ts'

const attempts = 4

/**
 * Statements of an open transaction, each with a savepoint of its own: one that is refused leaves the others standing, and all of them are committed together or not at
 * all. They run as the transaction does, whatever access they ask for. @throws AppError
 */
export function savepoints(tx: Sql): Pick<Database, 'statement'> {
  return {
    async statement<Row>(_access: unknown, text: string, values?: unknown[]) {
      for (let attempt = 1; ; attempt++) {
        await tx.query('savepoint one_statement')
        try {
          const rows = await tx.query<Row>(text, values)
          await tx.query('release savepoint one_statement')
          return rows
        } catch (error) {
          await tx.query('rollback to savepoint one_statement')
          await tx.query('release savepoint one_statement')
          if (!isRetryable(error) || attempt === attempts) throw toAppError(error)
          await sleep(Math.random() * 20 * 2 ** attempt)
        }
      }
    },
  }
}
