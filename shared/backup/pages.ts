import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from '../db/index.ts'

/** A page is about this long; never more rows than this, as the next ones may be far longer than those before. */
const pageBytes = 256 * 1024
const mostRows = 256

/**
 * The texts of a query's column `j`, page by page through a cursor of the transaction; the next page is on its way while one is worked on. With a `pace` below 1 it rests between two pages for so long that
 * the database works for it in that share of the time.
 */
export async function* pagesOf(tx: Sql, query: string, pace = 1): AsyncGenerator<string[]> {
  await tx.query(`declare pages no scroll cursor for ${query}`)
  let rows = 16
  let rest = 0
  let ended = false
  const fetch = () => {
    const asked = rows
    const ask = async () => {
      if (rest > 0) await sleep(rest)
      // whoever read has gone, and the connection may be somebody else's
      if (ended) return { page: [], last: true }
      const began = performance.now()
      const found = await tx.query<{ j: string }>(`fetch ${asked} from pages`)
      rest = (performance.now() - began) * (1 / pace - 1)
      return { page: found.map((row) => row.j), last: found.length < asked }
    }
    const coming = ask()
    coming.catch(() => {})
    return coming
  }
  try {
    for (let coming = fetch(); ; ) {
      const { page, last } = await coming
      if (page.length) rows = Math.max(1, Math.min(mostRows, Math.floor((pageBytes * page.length) / page.reduce((sum, row) => sum + row.length, 1))))
      if (!last) coming = fetch()
      if (page.length) yield page
      if (last) break
    }
  } finally {
    ended = true
  }
  await tx.query('close pages')
}
