import type { Sql } from '../db/index.ts'

/** A page is about this long; never more rows than this, as the next ones may be far longer than those before. */
const pageBytes = 256 * 1024
const mostRows = 256

/** The texts of a query's column `j`, page by page through a cursor of the transaction; the next page is on its way while one is worked on. */
export async function* pagesOf(tx: Sql, query: string): AsyncGenerator<string[]> {
  await tx.query(`declare pages no scroll cursor for ${query}`)
  let rows = 16
  const fetch = () => {
    const asked = rows
    const coming = tx.query<{ j: string }>(`fetch ${asked} from pages`).then((found) => ({ page: found.map((row) => row.j), last: found.length < asked }))
    coming.catch(() => {})
    return coming
  }
  for (let coming = fetch(); ; ) {
    const { page, last } = await coming
    if (page.length) rows = Math.max(1, Math.min(mostRows, Math.floor((pageBytes * page.length) / page.reduce((sum, row) => sum + row.length, 1))))
    if (!last) coming = fetch()
    if (page.length) yield page
    if (last) break
  }
  await tx.query('close pages')
}
