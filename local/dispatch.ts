import { type ManifestRow, manifest } from '../functions/manifest.ts'
import type { HttpHandler } from '../shared/handler/index.ts'

type Entry = { method: string; steps: string[]; handler: HttpHandler }

/** One handler out of many: what API Gateway does with the manifest's routes, exact paths before those with a parameter. */
export function dispatch(handlers: Record<string, HttpHandler>, rows: readonly ManifestRow[] = manifest): HttpHandler {
  const entries = rows.flatMap((row): Entry[] =>
    row.kind === 'http' ? row.routes.map(({ method, path }) => ({ method, steps: path.split('/'), handler: handlers[row.name] as HttpHandler })) : [],
  )
  entries.sort((a, b) => parameters(a) - parameters(b))
  const fallback = handlers.status as HttpHandler
  return {
    fetch(request) {
      const parts = new URL(request.url).pathname.split('/')
      const atPath = entries.filter((entry) => fits(entry.steps, parts))
      const method = request.method === 'HEAD' ? 'GET' : request.method
      // a known path with another method goes to its owner, who answers 405 with what it takes
      const chosen = atPath.find((entry) => entry.method === method) ?? atPath[0]
      return (chosen?.handler ?? fallback).fetch(request)
    },
  }
}

function parameters(entry: Entry): number {
  return entry.steps.filter((step) => step.startsWith(':')).length
}

function fits(steps: string[], parts: string[]): boolean {
  return steps.length === parts.length && steps.every((step, i) => step === parts[i] || (step.startsWith(':') && parts[i] !== ''))
}
