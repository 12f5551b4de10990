/** What can be wrong with a chain. */
export const faultKinds = {
  changed: 'a row is not what was sealed: a column, or its place, is another',
  missing: 'a row that was sealed is gone',
  gap: 'places of the chain are gone',
  left_out: 'a row stands in the log without a place in the chain, although the sealer has passed it',
  cut: 'a checkpoint names a place behind the end of the chain: its end was cut off',
  differs: 'a checkpoint names another hash than the chain has at that place',
  broken: 'a checkpoint is not what was signed',
  unproved: 'no checkpoint with a known key stands at the end of the chain',
} as const
export type FaultKind = keyof typeof faultKinds
/** One thing that is wrong, where: a place in the chain, the number of a row in the log. */
export type Fault = { kind: FaultKind; position: number | null; seq: string | null; detail: string }

/** So many are named of a tenant; the others are counted. */
const mostNamed = 100

export type Faults = { named: Fault[]; count: number; add(kind: FaultKind, place: { position?: number | undefined; seq?: string | undefined }, detail?: string): void }
export function collectFaults(): Faults {
  const faults: Faults = {
    named: [],
    count: 0,
    add(kind, { position, seq }, detail) {
      faults.count += 1
      if (faults.named.length < mostNamed) faults.named.push({ kind, position: position ?? null, seq: seq ?? null, detail: detail ?? faultKinds[kind] })
    },
  }
  return faults
}
