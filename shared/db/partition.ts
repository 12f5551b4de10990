/** The tables of memories, words and vectors are partitioned by the hash of tenant_id into so many parts. */
const parts = 8
/** The seed of partitioning, 0x7A5B22367996DCFD, in two halves. */
const seed = [0x7a5b2236, 0x7996dcfd] as const

/**
 * The part of a partitioned table in which a tenant's rows are, as PostgreSQL computes it. A statement that names the part itself opens one table instead of
 * nine and has nothing to prune, so that its plan is made sooner and can be kept. Who is asked is under the same policy in either way.
 * Source: hash_bytes_uint32_extended of PostgreSQL's common/hashfn.c (lookup3 of Bob Jenkins) and hash_combine64; dumps and upgrades rest on it, so it stays.
 */
export function partitionOf(tenantId: number): number {
  const start = (0x9e3779b9 + 4 + 3923095) | 0
  let [a, b, c] = [(start + seed[0]) | 0, (start + seed[1]) | 0, start]
  for (const bits of [4, 6, 8, 16, 19, 4]) [a, b, c] = [b, (c + b) | 0, ((a - c) | 0) ^ rotate(c, bits)]
  a = (a + tenantId) | 0
  let [x, y, z] = [c, b, a]
  for (const bits of [14, 11, 25, 16, 4, 14, 24]) [x, y, z] = [z, ((x ^ y) - rotate(y, bits)) | 0, y]
  // the lowest bits of hash_combine64(0, hash), whose constant ends in 0xe3
  return (y + 0xe3) & (parts - 1)
}

const rotate = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits))
