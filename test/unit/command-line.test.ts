import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { afterAll, describe, expect, test } from 'vitest'
import { type Completion, completionsOf } from '../../local/cli/completion.ts'
import { writersByShell } from '../../local/cli/completion-scripts.ts'
import { createProgram } from '../../local/cli/index.ts'

const program = createProgram()
const walk = (command: Command, path: string[] = []): { name: string; command: Command }[] => [
  { name: path.join(' '), command },
  ...command.commands.flatMap((sub) => walk(sub, [...path, sub.name()])),
]
const all = walk(program)

/** What --help prints, with all that is added to it. */
function helpOf(command: Command): string {
  let printed = ''
  command.configureOutput({ writeOut: (text) => (printed += text) })
  command.outputHelp()
  return printed
}

describe('help', () => {
  test.each(all)('of `soma $name`: synopsis, description, options, examples and exit codes', ({ name, command }) => {
    const help = helpOf(command)
    const full = `soma ${name}`.trim()
    expect(help).toMatch(new RegExp(`^Usage: ${full}(?: |\\n)`))
    expect(command.description().length).toBeGreaterThan(10)
    expect(help).toContain(command.description().slice(0, 30))
    for (const part of ['Options:', 'Examples:', 'Exit codes:']) expect(help.split(`\n${part}\n`)).toHaveLength(2)
    expect(help.split('Examples:')[1]).toMatch(new RegExp(`^ +\\$ .*npx ${full}`, 'm'))
    for (const { long, description } of command.options) expect([long, description.length > 3]).toEqual([long, true])
    for (const argument of command.registeredArguments) expect(help).toContain(argument.name())
  })
})

describe('completion', () => {
  const directory = mkdtempSync(join(tmpdir(), 'soma-completion-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  const known = completionsOf(program)

  test('knows every command with all its options, from the program itself', () => {
    expect(known.map(({ path }) => path)).toEqual(all.map(({ name }) => name))
    for (const { name, command } of all) {
      const here = known.find(({ path }) => path === name) as Completion
      const flags = here.options.flatMap((option) => option.flags)
      for (const option of command.options) expect(flags).toContain(option.long)
      for (const global of ['--json', '--url', '--token', '--data-dir', '--help']) expect(flags).toContain(global)
      expect(here.commands.map((one) => one.name)).toEqual(expect.arrayContaining(command.commands.map((sub) => sub.name())))
    }
  })

  test('every script names every command and every option', () => {
    for (const write of Object.values(writersByShell)) {
      const script = write(known)
      for (const { name } of known[0]?.commands ?? []) expect(script).toContain(name)
      for (const { flags } of known.flatMap(({ options }) => options)) for (const flag of flags) expect(script).toContain(flag.replace(/^--?/, ''))
    }
  })

  const shells = (['bash', 'zsh', 'fish'] as const).filter((shell) => spawnSync(shell, ['--version']).status === 0)
  test.each(shells)('%s reads its script without complaint', (shell) => {
    const file = join(directory, `completion.${shell}`)
    writeFileSync(file, writersByShell[shell](known))
    const read = spawnSync(shell, ['-n', file], { encoding: 'utf8' })
    expect({ status: read.status, stderr: read.stderr }).toEqual({ status: 0, stderr: '' })
  })

  test.skipIf(!shells.includes('bash'))(`bash completes commands, their options and values${shells.includes('bash') ? '' : ' (skipped: no bash)'}`, () => {
    const file = join(directory, 'sourced.bash')
    writeFileSync(file, writersByShell.bash(known))
    writeFileSync(join(directory, 'memories.ndjson'), '')
    const complete = (...words: string[]) =>
      execFileSync(
        'bash',
        ['--norc', '-c', `source "$1"; COMP_WORDS=("\${@:2}"); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _soma; printf '%s\\n' "\${COMPREPLY[@]}"`, 'bash', file, ...words],
        {
          encoding: 'utf8',
          cwd: directory,
        },
      )
        .split('\n')
        .filter(Boolean)
    expect(complete('soma', 'st')).toEqual(['start', 'store', 'stats'])
    expect(complete('soma', '')).toEqual(expect.arrayContaining(all.filter(({ name }) => name && !name.includes(' ')).map(({ name }) => name)))
    expect(complete('soma', 'key', '')).toEqual(expect.arrayContaining(['create', 'list', 'revoke']))
    expect(complete('soma', '--json', 'key', 'create', '--sc')).toEqual(['--scopes'])
    expect(complete('soma', 'recall', 'what', '--to')).toEqual(['--top-k', '--token'])
    expect(complete('soma', 'completion', 'z')).toEqual(['zsh'])
    expect(complete('soma', 'store', '--from-file', 'mem')).toEqual(['memories.ndjson'])
    expect(complete('soma', 'store', '--user', '')).toEqual([])
    expect(complete('soma', 'frob', 'x', '')).toEqual(expect.arrayContaining(['store']))
  })
})
