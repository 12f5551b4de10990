import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { armer, manifest } from '../../functions/manifest.ts'

const longestFile = 250
const folders = ['bin', 'lib', 'functions', 'shared', 'local', 'test', 'bench']

/** What is committed or about to be. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...folders], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => file && existsSync(file))

test(`no source file is longer than ${longestFile} lines`, () => {
  const sources = files.filter((file) => file.endsWith('.ts'))
  expect(sources.length).toBeGreaterThan(0)
  const lines = sources.map((file) => ({ file, lines: readFileSync(file, 'utf8').trimEnd().split('\n').length }))
  expect(lines.filter((source) => source.lines > longestFile)).toEqual([])
})

test('CONTRIBUTING.md names every dependency with its reason, and no other', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<string, Record<string, string>>
  const rows = [...readFileSync('CONTRIBUTING.md', 'utf8').matchAll(/^\| `((?:@[\w.-]+\/)?[\w.-]+)` \| *([^|]*?) *\|/gm)]
  const reasons = new Map(rows.map(([, name, reason]) => [name, reason]))
  const names = Object.keys({ ...dependencies, ...devDependencies }).sort()
  expect([...reasons.keys()].sort()).toEqual(names)
  expect(names.filter((name) => !reasons.get(name))).toEqual([])
})

test('every handler folder is a row of the manifest, and every row has its files', () => {
  const inFolders = files.filter((file) => /^functions\/[^/]+\/(handler|deps|lambda|task)\.ts$/.test(file))
  const inManifest = [...manifest, armer].flatMap(({ name, hosts }) => {
    const entries = hosts.filter((host) => host !== 'local')
    return ['handler', 'deps', ...entries].map((part) => `functions/${name}/${part}.ts`)
  })
  expect(inFolders.sort()).toEqual(inManifest.sort())
})
