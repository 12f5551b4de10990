import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { pagesOf } from '../../shared/backup/pages.ts'
import type { Sql } from '../../shared/db/index.ts'

/** A connection that notes what it is asked, and has rows without end. */
function endless(): { sql: Sql; asked: string[] } {
  const asked: string[] = []
  const query = async (text: string) => {
    asked.push(text)
    await sleep(20)
    return text.startsWith('fetch') ? Array.from({ length: Number(text.split(' ')[1]) }, () => ({ j: '{}' })) : []
  }
  return { sql: { query } as unknown as Sql, asked }
}

test.each([1, 0.2])('whoever stops reading is followed by no fetch of his, which would be on a connection that is somebody else’s (pace %s)', async (pace) => {
  const { sql, asked } = endless()
  for await (const page of pagesOf(sql, 'select 1', pace)) {
    expect(page).toHaveLength(16)
    break
  }
  const left = asked.length
  await sleep(300)
  expect(asked.length).toBe(left)
  // without a rest the next page is on its way already
  expect(asked.filter((text) => text.startsWith('fetch'))).toHaveLength(pace === 1 ? 2 : 1)
})
