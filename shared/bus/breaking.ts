import { type Breaker, DependencyFailure } from '../breaker/index.ts'
import type { EventRecord, RecordFailure } from '../handler/index.ts'
import { AppError } from '../problem/index.ts'
import type { Publisher } from './port.ts'

/** A publisher that is not asked while its broker is known to be away; its records are then away at once. What the broker refuses of a record counts for nothing. */
export function breakingPublisher(publisher: Publisher, breaker: Breaker): Publisher {
  return {
    ...publisher,
    async publish(records) {
      let answers: (RecordFailure | null)[] | undefined
      try {
        await breaker.run(
          async () => {
            answers = await publisher.publish(records)
            const away = answers.find((one) => one?.away)
            if (away) throw new DependencyFailure(away.error.message, { cause: away.error })
          },
          { tenant: tenantOf(records) },
        )
      } catch (error) {
        // answered, and some of them are away: the others are acknowledged all the same
        if (answers === undefined && error instanceof AppError && error.code === 'unavailable') return records.map((_, index) => ({ index, poison: false, away: true, error }))
        if (answers === undefined) throw error
      }
      return answers as (RecordFailure | null)[]
    },
  }
}

/** A drain publishes one tenant's records at a time. */
const tenantOf = (records: EventRecord[]): string | undefined => records[0]?.headers['tenant-id']
