import type { ProblemCode } from '../problem/index.ts'
import type { LineProblem } from './parse-line.ts'

export type LineError = { line: number; code: ProblemCode; detail: string; pointer?: string }
/** The answer of an import. `lines` counts those that are not empty; each is in one of `imported` (memories), `versions`, `links`, `duplicate` and `failed`. */
export type ImportReport = {
  lines: number
  imported: number
  versions: number
  links: number
  duplicate: number
  failed: number
  /** The first hundred in the file's order; `more_errors` counts the others. */
  errors: LineError[]
  more_errors: number
}
const listed = 100
export const noLines: ImportReport = { lines: 0, imported: 0, versions: 0, links: 0, duplicate: 0, failed: 0, errors: [], more_errors: 0 }

/** The report of lines and of those that follow them. */
export function addReport(before: ImportReport, after: ImportReport): ImportReport {
  const failed = before.failed + after.failed
  return {
    lines: before.lines + after.lines,
    imported: before.imported + after.imported,
    versions: before.versions + after.versions,
    links: before.links + after.links,
    duplicate: before.duplicate + after.duplicate,
    failed,
    errors: [...before.errors, ...after.errors].slice(0, listed),
    more_errors: Math.max(0, failed - listed),
  }
}

export type Tally = {
  line(): void
  imported(kind: 'memory' | 'version' | 'link', count?: number): void
  duplicate(): void
  fail(line: number, problem: LineProblem): void
  report(): ImportReport
}

/** Counts what becomes of the lines; problems may come out of order, memory stays bounded. */
export function createTally(): Tally {
  const counts = { lines: 0, memory: 0, version: 0, link: 0, duplicate: 0, failed: 0 }
  let errors: LineError[] = []
  const first = () => errors.toSorted((a, b) => a.line - b.line).slice(0, listed)
  return {
    line: () => {
      counts.lines += 1
    },
    imported: (kind, count = 1) => {
      counts[kind] += count
    },
    duplicate: () => {
      counts.duplicate += 1
    },
    fail(line, problem) {
      counts.failed += 1
      errors.push({ line, ...problem })
      if (errors.length >= 10 * listed) errors = first()
    },
    report: () => ({
      lines: counts.lines,
      imported: counts.memory,
      versions: counts.version,
      links: counts.link,
      duplicate: counts.duplicate,
      failed: counts.failed,
      errors: first(),
      more_errors: Math.max(0, counts.failed - listed),
    }),
  }
}
