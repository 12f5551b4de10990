import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { withHandlersTable } from '../../local/readme-table.ts'

const documents = ['README.md', 'CONTRIBUTING.md', ...readdirSync('docs').map((name) => `docs/${name}`)]
  .filter((file) => file.endsWith('.md'))
  .map((file) => ({ file, text: readFileSync(file, 'utf8') }))

/** What a pattern's groups catch in all documents, with the file it stands in. */
function mentions(pattern: RegExp): { file: string; groups: string[] }[] {
  return documents.flatMap(({ file, text }) => [...text.matchAll(pattern)].map(([, ...groups]) => ({ file, groups: groups.filter((group) => group !== undefined) })))
}

test("the README's table of handlers is the manifest's", () => {
  const text = readFileSync('README.md', 'utf8')
  expect(withHandlersTable(text)).toBe(text)
})

test('every relative link leads to a file', () => {
  const links = mentions(/\]\((?!\w+:|#)([^)#\s]+)(?:#[^)\s]*)?\)/g)
  expect(links.length).toBeGreaterThan(0)
  expect(links.filter(({ file, groups: [target = ''] }) => !existsSync(join(dirname(file), target)))).toEqual([])
})

test('every npm script and every file that a command names exists', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  const named = [...mentions(/\bnpm run (?:--?[\w-]+ )*([\w:-]+)/g), ...mentions(/\bnpm (start|test)\b/g)]
  expect(named.length).toBeGreaterThan(0)
  expect(named.filter(({ groups: [name = ''] }) => !Object.hasOwn(scripts, name))).toEqual([])
  const run = mentions(/\bnode ((?:bin|local|bench)\/[\w/.-]+\.ts)\b/g)
  expect(run.filter(({ groups: [path = ''] }) => !existsSync(path))).toEqual([])
})

test('every `npx soma` command exists', () => {
  const named = mentions(/\bnpx soma ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?/g)
  expect(named.length).toBeGreaterThan(0)
  const commands = commandsOf()
  const groups = new Map(commands.map((name) => [name, undefined as string[] | undefined]))
  const unknown = named.filter(({ groups: [name = '', sub] }) => {
    if (!groups.has(name)) return true
    if (sub === undefined) return false
    const known = groups.get(name) ?? commandsOf(name)
    groups.set(name, known)
    return known.length > 0 && !known.includes(sub)
  })
  expect(unknown).toEqual([])
})

test('the configuration table names what shared/config reads, and nothing else', () => {
  const [, schema = ''] = /const variables = z\.object\(\{\n([\s\S]*?)\n\}\)/.exec(readFileSync('shared/config/index.ts', 'utf8')) ?? []
  const read = [...schema.matchAll(/^ {2}([A-Z][A-Z0-9_]*):/gm)].map(([, name]) => name)
  const [, section = ''] = /\n## Configuration\n([\s\S]*?)\n## /.exec(readFileSync('README.md', 'utf8')) ?? []
  const written = [...section.matchAll(/^\| ([^|]*) \|/gm)].flatMap(([, cell = '']) => [...cell.matchAll(/`([A-Z][A-Z0-9_]*)`/g)].map(([, name]) => name))
  expect(read.length).toBeGreaterThan(0)
  expect(written.sort()).toEqual(read.sort())
})

/** The names in the list of commands that --help prints. */
function commandsOf(...path: string[]): string[] {
  const help = execFileSync(process.execPath, ['bin/soma.ts', ...path, '--help'], { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } })
  const [, list = ''] = /\nCommands:\n([\s\S]*?)(?:\n\n|$)/.exec(help) ?? []
  return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name = '']) => name)
}
