/** Keeps the handlers table of README.md equal to the manifest: `node local/readme-table.ts` rewrites it, `--check` exits 1 when it differs. */
import { readFileSync, writeFileSync } from 'node:fs'
import { armer, type ManifestRow, manifest } from '../functions/manifest.ts'

const begin = '<!-- handlers:begin -->'
const end = '<!-- handlers:end -->'
const readme = new URL('../README.md', import.meta.url)

/** The README with its table made anew from the manifest. @throws Error when a marker is missing */
export function withHandlersTable(text: string, rows: readonly ManifestRow[] = [...manifest, armer]): string {
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`README.md needs the lines ${begin} and ${end}: the table of handlers goes between them.`)
  return `${text.slice(0, from + begin.length)}\n${tableOf(rows)}\n${text.slice(to)}`
}

function tableOf(rows: readonly ManifestRow[]): string {
  const lines = rows.map((row) => `| [${row.name}](functions/${row.name}/handler.ts) | ${row.kind} | ${row.summary} | ${triggerOf(row)} | ${row.database} |`)
  return ['| handler | kind | what it does | when it runs | database login |', '|---|---|---|---|---|', ...lines].join('\n')
}

function triggerOf(row: ManifestRow): string {
  if (row.kind === 'http') return row.routes.map(({ method, path }) => `\`${method} ${path}\``).join(', ')
  if (row.kind === 'records') return `records of \`${row.topic}\`, up to ${row.batchSize} at once`
  if (row.arms) return 'when a handler tells it'
  return row.everySeconds === null ? 'when somebody asks' : `every ${row.everySeconds} s`
}

function main(check: boolean): number {
  const before = readFileSync(readme, 'utf8')
  const after = withHandlersTable(before)
  if (before === after) return 0
  if (check) {
    console.error('The table of handlers in README.md differs from functions/manifest.ts: run `npx node local/readme-table.ts`.')
    return 1
  }
  writeFileSync(readme, after)
  return 0
}

if (import.meta.main) process.exitCode = main(process.argv.includes('--check'))
