/**
 * For Node's HTTP server: a request may last as long as its body takes, instead of five minutes in all. Headers still have their minute. An idle connection is kept for
 * longer than an Application Load Balancer keeps its side (60 s): whoever closes first must be the client, or a request that is on its way meets a closed door (a 502
 * of the balancer, an ECONNRESET of others).
 */
export const serverOptions = { requestTimeout: 0, keepAliveTimeout: 75_000 } as const
const idleMs = 300_000

/** Five minutes in which neither side sends a byte end a connection, so that a body which stops coming holds nothing. */
export function endIdleConnections(server: object): void {
  if ('setTimeout' in server && typeof server.setTimeout === 'function') server.setTimeout(idleMs)
}
