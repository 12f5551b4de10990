/** For Node's HTTP server: a request may last as long as its body takes, instead of five minutes in all. Headers still have their minute. */
export const serverOptions = { requestTimeout: 0 } as const
const idleMs = 300_000

/** Five minutes in which neither side sends a byte end a connection, so that a body which stops coming holds nothing. */
export function endIdleConnections(server: object): void {
  if ('setTimeout' in server && typeof server.setTimeout === 'function') server.setTimeout(idleMs)
}
