export const maxAttempts = 10
const baseSeconds = 1
const longestSeconds = 300

/** Seconds until the next attempt: exponential with full jitter (Brooker, "Exponential Backoff and Jitter", AWS 2015). */
export function backoffSeconds(attempts: number, random = Math.random()): number {
  return random * Math.min(longestSeconds, baseSeconds * 2 ** attempts)
}

const longestAwaySeconds = 15

/** Seconds until a transport that was not there is tried again: soon, as one that is back finds everything waiting, and spread. */
export function awaySeconds(random = Math.random()): number {
  return 1 + random * (longestAwaySeconds - 1)
}

/** The tenant $1 and when the first of its pending rows is due, as a ready row; none where nothing is pending. */
export const readyAtNextAttempt = `select $1::integer, min(o.next_attempt_at) from outbox o where o.tenant_id = $1::integer and o.status = 'pending' having count(*) > 0`
