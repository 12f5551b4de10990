/** Keeps docs/cost.md equal to the stack, the prices and the assumptions: `npm run bench -- cost` rewrites it, `--check` fails when it differs. */
import { readFileSync, writeFileSync } from 'node:fs'
import { deployments, nameOf } from './assumptions.ts'
import { documentOf } from './document.ts'
import { type Resources, resourcesOf } from './template.ts'

const file = new URL('../../docs/cost.md', import.meta.url)

/** The stacks that the page tells of, by their names. */
export const stacks = (): ReadonlyMap<string, Resources> => new Map(deployments.map((one) => [nameOf(one), resourcesOf(one)]))

/** @throws Error with `check` when the page is not of now */
export async function cost({ check }: { check: boolean }): Promise<void> {
  const after = documentOf(stacks())
  if (!check) return writeFileSync(file, after)
  if (readFileSync(file, 'utf8') !== after) throw new Error('docs/cost.md is not of this stack, or of these prices: run `npm run bench -- cost`.')
}
