import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { aliveCommand } from '../../lib/task.ts'
import pkg from '../../package.json' with { type: 'json' }
import { instructions, reachesBuild } from '../support/image.ts'

const lines = instructions(readFileSync('Dockerfile', 'utf8'))
const textsOf = (word: string) => lines.filter((line) => line.word === word).map(({ text }) => text)
const copied = textsOf('COPY')
  .filter((text) => !text.startsWith('--'))
  .flatMap((text) => text.split(/\s+/).slice(0, -1))

test('the base images are pinned to the Node that everybody else runs', () => {
  const bases = textsOf('FROM').map((text) => text.split(' ')[0])
  expect(bases.length).toBe(2)
  expect(new Set(bases)).toEqual(new Set([`node:${pkg.dependencies.node}-bookworm-slim`]))
})

test('what is copied is there and reaches the build, and nothing else of the checkout does', () => {
  expect(copied.filter((path) => !existsSync(path) || !reachesBuild(path))).toEqual([])
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' }).split('\n')
  const reached = files.filter((file) => file && reachesBuild(file))
  expect(reached.filter((file) => !copied.some((path) => file === path || file.startsWith(`${path}/`)))).toEqual([])
  expect(['.env', '.soma/signing-key', 'node_modules/pg/package.json', 'local/services/run.ts', 'test/unit/image.test.ts', '.git/config'].filter(reachesBuild)).toEqual([])
})

test('it runs as a user who is not root, asks the same as the stacks whether it is alive, and gets its signals itself', () => {
  expect(textsOf('USER')).toEqual(['node'])
  const [health = ''] = textsOf('HEALTHCHECK')
  expect(JSON.parse(health.slice(health.indexOf('CMD ') + 4))).toEqual(aliveCommand)
  // the form of a list: no shell stands between
  expect(textsOf('CMD').map((text) => JSON.parse(text))).toEqual([['node', 'bin/soma.ts', 'start']])
  expect(lines.at(-1)?.word).toBe('CMD')
})
