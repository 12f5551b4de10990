/** The three kinds of handler. A host (Lambda, task, local) is an adapter around one of them; a handler never knows where it runs. */

/** An HTTP endpoint: a function from a web-standard Request to a Response (a Hono app). */
export type HttpHandler = {
  fetch(request: Request): Response | Promise<Response>
  /** Reads what it knows of the whole installation, for metrics that nobody scrapes. */
  measure?(): Promise<void>
}

/** One record of an event stream, as every transport (in-process bus, Lambda invoke, Kafka) hands it over. */
export type EventRecord = {
  topic: string
  key: string
  /** The JSON text of the event, or null for a tombstone. */
  value: string | null
  headers: Record<string, string>
}

/**
 * A record that could not be applied: its place in the batch and why. `poison` is true when trying again cannot help; `away` when whoever takes records is not
 * there at all, which says nothing about the record.
 */
export type RecordFailure = { index: number; error: Error; poison: boolean; away?: boolean }

/** Applies a batch, in order for each key, and answers the records that failed; all others are done. Throws when none was applied. */
export type RecordHandler = (records: readonly EventRecord[]) => Promise<RecordFailure[]>

/** What a job did: how many units of work, and whether it knows that more is waiting. */
export type JobReport = { done: number; remaining: boolean; detail?: Record<string, unknown> }

/** Runs until done or aborted; calling it again resumes. */
export type JobHandler = (signal: AbortSignal) => Promise<JobReport>
