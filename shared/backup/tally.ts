import type { Rows } from './blocks.ts'
import { type Content, type Manifest, probesTable } from './format.ts'
import { createRowSum, type RowSum } from './row-hash.ts'
import type { Table } from './tables.ts'

type Counted = Pick<Manifest, 'tables' | 'contents' | 'probes' | 'blocks'>

/**
 * What the parts that are stored hold of an archive. A block counts when its part is there; a table of a tenant when all its blocks are. So an archive that was broken off can say to the row what it has.
 */
export function createTally(tables: readonly Table[]) {
  const sums = new Map<string, RowSum>(tables.map(({ name }) => [name, createRowSum()]))
  const contents: Manifest['contents'] = {}
  const open: { tenant: number; table: string; content: Content; blocks: number }[] = []
  let given = 0
  let blocks = 0
  let probes = 0
  return {
    /** The block has its number, and will come into a part. */
    give: () => given++,
    /** Of the blocks that were given out until now, the last of a tenant's table is among them. */
    close: (tenant: number, table: string, content: Content) => void open.push({ tenant, table, content, blocks: given }),
    onBlock({ table, holds, rows, sum }: Rows): void {
      blocks += 1
      if (table === probesTable) probes += rows
      else if (holds === 'rows' && sum) sums.get(table)?.join(sum)
    },
    counted(): Counted {
      while (open[0] && open[0].blocks <= blocks) {
        const { tenant, table, content } = open.shift() as (typeof open)[number]
        contents[tenant] ??= {}
        ;(contents[tenant] as Record<string, Content>)[table] = content
      }
      const shown = tables.map(({ name, columns, key }) => [name, { columns, key, rows: sums.get(name)?.rows ?? 0, content: sums.get(name)?.digest() ?? '' }] as const)
      return { tables: Object.fromEntries(shown), contents, probes, blocks }
    },
  }
}
