import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeEngines } from '../support/engines.ts'
import { environmentRows } from './guide-rows/environment.ts'
import { createMachine, type Machine, processRows } from './guide-rows/processes.ts'
import { surfaceRows } from './guide-rows/surface.ts'

const [, table = ''] = /\n## Commands and checks\n([\s\S]*)/.exec(readFileSync('docs/guides.md', 'utf8')) ?? []
const rows = table
  .split('\n')
  .filter((line) => /^\| [A-Z]\d/.test(line))
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
const idsOf = (...states: string[]) => rows.filter(([, , , , state = '']) => states.includes(state)).map(([, id = '']) => id)

test('every row of docs/guides.md that works has a test of its id, and nothing else has one', () => {
  const tested = [environmentRows, surfaceRows, processRows].flatMap(Object.keys)
  expect(tested.toSorted()).toEqual(idsOf('same', 'equivalent').toSorted())
})

test('every row has an id of its own, three texts and one of the four states', () => {
  expect(rows.length).toBeGreaterThan(100)
  for (const row of rows) {
    expect(row, row.join('|')).toHaveLength(6)
    expect(['same', 'equivalent', 'dropped', 'later']).toContain(row[4])
    expect(row.slice(1, 4).every((cell) => cell !== '')).toBe(true)
  }
  expect(new Set(rows.map(([, id]) => id)).size).toBe(rows.length)
})

describe('rows about variables and files', () => {
  test.each(Object.entries(environmentRows))('%s', async (_id, show) => void (await show()))
})

describe('rows about commands', () => {
  let machine: Machine
  beforeAll(() => {
    machine = createMachine()
  })
  afterAll(() => machine.close())
  test.each(Object.entries(processRows))('%s', async (_id, show) => void (await show(machine)), 60_000)
})

describeEngines('rows about the service', (product) => {
  test.each(Object.entries(surfaceRows))('%s', async (_id, show) => void (await show(product())))
})
