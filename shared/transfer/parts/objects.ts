import type { BlobStore } from '../../blob/index.ts'

const mebibyte = 1024 * 1024
/** What a step takes. Other numbers are for tests. */
export type TransferLimits = {
  /** An object of an export, and one that is uploaded. */
  partBytes: number
  /** For so long a part is read, so that a step fits into any job: what was read by then is a part. */
  partMs: number
  /** Lines and bytes that a step of an import stores, in one transaction; versions go with their memory, up to `runBytes`. */
  stepLines: number
  stepBytes: number
  runBytes: number
}
export const transferLimits: TransferLimits = { partBytes: 64 * mebibyte, partMs: 60_000, stepLines: 1_000, stepBytes: 4 * mebibyte, runBytes: 32 * mebibyte }
/** With their URLs they fit into one answer of a Lambda. */
export const mostParts = 2_000
/** Of a tenant and a kind, those that have not ended. */
export const mostOpen = 10

/** How long the objects of an operation are kept after the last step. */
export const keptSeconds = 7 * 24 * 60 * 60
/** A URL holds for so long. */
export const urlSeconds = 15 * 60
/** What was uploaded is of no use when it is stored; it goes when no URL leads there any more. */
export const keptAfterImportSeconds = urlSeconds + 5 * 60

/** An object of an export: `object` is its name in the operation's folder, which no other run writes. */
export type WrittenPart = { object: string; bytes: number; lines: number; sha256: string }

export const folderOf = (tenantId: number, operation: string): string => `transfers/${tenantId}/${operation}`
export const uploadOf = (tenantId: number, operation: string, part: number): string => `${folderOf(tenantId, operation)}/${part}.ndjson`
export const routeOf = (kind: 'export' | 'import', operation: string, part: number): string => `/v1/${kind}s/${operation}/parts/${part}`

/** Where the objects of exports and imports lie. @throws AppError unavailable where there is no such place */
export type Store = () => Promise<BlobStore>
