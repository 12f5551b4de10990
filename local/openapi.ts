/** Keeps docs/openapi.json equal to what the operations and their schemas say: `node local/openapi.ts`; with `--check` it only compares. */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openApiDocument } from '../shared/http/index.ts'

const file = fileURLToPath(new URL('../docs/openapi.json', import.meta.url))

export const openApiText = () => `${JSON.stringify(openApiDocument(), null, 2)}\n`

function main(check: boolean): number {
  const after = openApiText()
  if (check && readFileSync(file, 'utf8') !== after) {
    console.error('docs/openapi.json differs from the operations in shared/http/operations: run `npx node local/openapi.ts`.')
    return 1
  }
  if (!check) writeFileSync(file, after)
  return 0
}

if (import.meta.main) process.exitCode = main(process.argv.includes('--check'))
