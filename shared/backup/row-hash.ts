import { hash } from 'node:crypto'

/**
 * The content hash of a set of rows, whatever their order: SHA-256 of each row's text, read as four unsigned 64-bit numbers, each summed modulo 2^64.
 * It is computed here and, over the same text, by Postgres: two ways to the same 64 hexadecimal digits.
 */
export type RowSum = {
  rows: number
  /** Four pairs of the high and the low 32 bits. */
  lanes: Float64Array
  add(row: Uint8Array | string): void
  /** Counts and sums those of another too. */
  join(other: RowSum): void
  digest(): string
}

export function createRowSum(): RowSum {
  // halves of 32 bits with the carry between them: measured, BigInt sums take as long as the hash itself
  const halves = new Float64Array(8)
  let rows = 0
  function addLane(lane: number, addedHigh: number, addedLow: number): void {
    const low = (halves[lane + 1] as number) + addedLow
    const high = (halves[lane] as number) + addedHigh + (low >= 2 ** 32 ? 1 : 0)
    halves[lane + 1] = low % 2 ** 32
    halves[lane] = high % 2 ** 32
  }
  return {
    get rows() {
      return rows
    },
    lanes: halves,
    add(row) {
      const digest = hash('sha256', row, 'buffer')
      for (let lane = 0; lane < 8; lane += 2) addLane(lane, digest.readUInt32BE(lane * 4), digest.readUInt32BE(lane * 4 + 4))
      rows += 1
    },
    join(other) {
      for (let lane = 0; lane < 8; lane += 2) addLane(lane, other.lanes[lane] as number, other.lanes[lane + 1] as number)
      rows += other.rows
    },
    digest: () => Array.from(halves, (half) => half.toString(16).padStart(8, '0')).join(''),
  }
}

/** The same sum of the text column `j` of a query; answers one row {rows, sums: four numerics as text}. */
export function rowSumSql(query: string): string {
  const lane = (i: number) => `coalesce(sum(('x' || substr(h.d, ${i * 16 + 1}, 16))::bit(64)::bigint), 0)::text`
  return `select count(*) as rows, array[${[0, 1, 2, 3].map(lane).join(', ')}] as sums
    from (${query}) q cross join lateral encode(sha256(convert_to(q.j, 'UTF8')), 'hex') h (d)`
}

/** Adds up what rowSumSql answered for each tenant. */
export function addSums(parts: readonly { sums: string[] }[]): string {
  return [0, 1, 2, 3]
    .map((lane) =>
      BigInt.asUintN(
        64,
        parts.reduce((sum, { sums }) => sum + BigInt(sums[lane] ?? 0), 0n),
      )
        .toString(16)
        .padStart(16, '0'),
    )
    .join('')
}
