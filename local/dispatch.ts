import { type ManifestRow, manifest } from '../functions/manifest.ts'
import type { HttpHandler } from '../shared/handler/index.ts'

type Entry = { method: string; steps: string[]; owner: string }

/** Which row a request belongs to, as API Gateway reads the manifest's routes: exact paths before those with a parameter. What nobody has goes to `status`. */
export function ownerOf(rows: readonly ManifestRow[] = manifest): (method: string, pathname: string) => string {
  const entries = rows.flatMap((row): Entry[] => (row.kind === 'http' ? row.routes.map(({ method, path }) => ({ method, steps: path.split('/'), owner: row.name })) : []))
  entries.sort((a, b) => parameters(a) - parameters(b))
  return (given, pathname) => {
    const parts = pathname.split('/')
    const atPath = entries.filter((entry) => fits(entry.steps, parts))
    const method = given === 'HEAD' ? 'GET' : given
    // a known path with another method goes to its owner, who answers 405 with what it takes
    return (atPath.find((entry) => entry.method === method) ?? atPath[0])?.owner ?? 'status'
  }
}

/** One handler out of many. */
export function dispatch(handlers: Record<string, HttpHandler>, rows: readonly ManifestRow[] = manifest): HttpHandler {
  const owner = ownerOf(rows)
  return { fetch: (request) => (handlers[owner(request.method, new URL(request.url).pathname)] as HttpHandler).fetch(request) }
}

function parameters(entry: Entry): number {
  return entry.steps.filter((step) => step.startsWith(':')).length
}

function fits(steps: string[], parts: string[]): boolean {
  return steps.length === parts.length && steps.every((step, i) => step === parts[i] || (step.startsWith(':') && parts[i] !== ''))
}
