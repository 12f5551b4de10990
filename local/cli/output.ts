import type { Globals } from './globals.ts'

/** The answer of a command: the document for programs, the text for people. Nothing else is ever written to stdout. */
export function answer({ json }: Globals, document: unknown, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(document)}\n` : `${text}\n`)
}

/** Remarks beside the answer, for people only. */
export function remark({ json }: Globals, text: string): void {
  if (!json) process.stderr.write(`${text}\n`)
}

/** Stored text on one line of a terminal: control characters could move the cursor or worse. */
export function oneLine(text: string, width = 160): string {
  const flat = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ').trim()
  const characters = [...flat]
  return characters.length > width ? `${characters.slice(0, width - 1).join('')}…` : flat
}

/** Columns side by side, the last as long as it likes. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ')).join('\n')
}

/** `1 memory`, `2 memories` */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`
}
