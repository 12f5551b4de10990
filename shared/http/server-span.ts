import type { Attributes, Span } from '../trace/index.ts'

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', 'QUERY'])
/** A method that nobody knows could be anything. */
const known = (method: string): string | undefined => (methods.has(method) ? method : undefined)

/** What a request's span is called and says before it is known where it goes. */
export function asReceived(handler: string, method: string): { name: string; attributes: Attributes } {
  return { name: known(method) ?? 'HTTP', attributes: { 'http.request.method': known(method) ?? '_OTHER', 'soma.handler': handler } }
}

/** What is known when it is answered: the route's template, never the path, which may name a customer's memory. */
export function asAnswered(
  span: Span | undefined,
  answer: { method: string; route: string | undefined; status: number; requestId: string; outcome: Record<string, unknown> },
): void {
  if (!span) return
  const { method, route, status, requestId, outcome } = answer
  if (route !== undefined) {
    span.rename(`${known(method) ?? 'HTTP'} ${route}`)
    span.set({ 'http.route': route })
  }
  const { tenant, code } = outcome
  span.set({ 'http.response.status_code': status, 'soma.request_id': requestId, ...(typeof tenant === 'string' ? { 'soma.tenant': tenant } : {}) })
  if (status >= 500) span.fail(typeof code === 'string' ? code : String(status))
}
