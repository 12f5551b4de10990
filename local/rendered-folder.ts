import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

type Rendered = {
  /** A folder of docs that holds nothing else. */
  folder: string
  files: Record<string, string>
  /** What they are made of, and by which program. */
  source: string
  program: string
}

/** Makes a folder hold exactly these files; with `check` it only says which differ. Answers the exit code. */
export function keepRendered({ folder, files, source, program }: Rendered, check: boolean): number {
  const path = fileURLToPath(new URL(`../${folder}/`, import.meta.url))
  mkdirSync(path, { recursive: true })
  const there = readdirSync(path)
  const differing = [
    ...Object.keys(files).filter((name) => !there.includes(name) || readFileSync(`${path}${name}`, 'utf8') !== files[name]),
    ...there.filter((name) => files[name] === undefined),
  ]
  if (!differing.length) return 0
  if (check) {
    console.error(`${folder} differs from ${source} (${differing.join(', ')}): run \`npx node ${program}\`.`)
    return 1
  }
  for (const name of there) if (files[name] === undefined) rmSync(`${path}${name}`)
  for (const [name, text] of Object.entries(files)) writeFileSync(`${path}${name}`, text)
  return 0
}
