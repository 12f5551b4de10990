import { percentile } from '../local/profile/percentile.ts'

export { percentile }

export const median = (samples: readonly number[]) => percentile(samples, 0.5)
export const p95 = (samples: readonly number[]) => percentile(samples, 0.95)
export const ms = (value: number) => `${value.toFixed(2)} ms`
export const times = (value: number, base: number) => `${(value / base).toFixed(1)}×`
export const count = (value: number) => Math.round(value).toLocaleString('en')
export const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`

/** How long `work` takes, in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

export function printTable(title: string, header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]) =>
    `| ${widths.map((width, column) => (column === 0 ? (row[column] ?? '').padEnd(width) : (row[column] ?? '').padStart(width))).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  console.log(`\n${title}\n\n${[line(header), rule, ...rows.map(line)].join('\n')}`)
}
