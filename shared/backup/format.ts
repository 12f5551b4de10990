import * as z from 'zod'

/** The archive's format, of which docs/design.md says enough to write a reader. A change of it is another version. */
export const formatVersion = 3
export const manifestName = 'manifest.json'
/** The manifest of what a backup has written so far: where it was stopped, the next one builds on this. */
export const unfinishedName = 'unfinished.json'
export const partName = (number: number) => `part-${String(number).padStart(6, '0')}.soma`

/** Files that are never written again once they are there; the manifest of an archive that is being written is. */
export const isLasting = (key: string): boolean => /(^|\/)(manifest\.json|part-\d{6}\.soma)$/.test(key)

/** A block's text before it is compressed, about; and the most that a reader takes. A row is never split. */
export const blockBytes = 512 * 1024
export const longestBlock = 64 * 1024 * 1024
export const longestHeader = 4096
/** The table of the blocks that hold questions and their answers: no table of a database. */
export const probesTable = 'probes'
/** A part's length, about. */
export const defaultPartBytes = 64 * 1024 * 1024

const hex64 = z.string().regex(/^[0-9a-f]{64}$/)
const count = z.number().int().min(0)
const WordSum = z.strictObject({ rows: count, sum: z.string().regex(/^[0-9a-f]{16}$/) })
const name = z.string().regex(/^[a-z_]{1,63}$/)

/**
 * How many rows a tenant's table had. `kept`: so many of them are in the archive before and not here, where their keys are named; `all`: every row of the archive before is among them. Without it
 * all rows are here.
 */
const Content = z.strictObject({ rows: count, kept: z.optional(z.union([count, z.literal('all')])) })
export type Content = z.output<typeof Content>

/** What stands before each block's bytes. `block` counts from 0 through the whole archive; `key` names the tenant's data key, or is `none`. */
export const BlockHeader = z.strictObject({
  block: count,
  tenant: count,
  table: name,
  key: z.string().max(64),
  /** `rows`: of the table. `keys`: of those rows of the archive before that are still what they were, as JSON arrays of the key's columns. */
  holds: z.enum(['rows', 'keys']),
  rows: z.number().int().min(1),
  /** Bytes of the rows' text: JSON objects joined by newlines, UTF-8. */
  text: z.number().int().min(2).max(longestBlock),
  /** Bytes that follow the header: the text compressed, then encrypted where `key` is not `none`, its tag at the end. */
  stored: z
    .number()
    .int()
    .min(1)
    .max(longestBlock + 65536),
})
export type BlockHeader = z.output<typeof BlockHeader>

export const Manifest = z.strictObject({
  format: z.literal('soma-backup'),
  format_version: z.literal(formatVersion),
  archive_id: z.uuid(),
  created_at: z.iso.datetime(),
  /** What wrote it, such as `postgres 18.4`; any engine reads it. */
  engine: z.string(),
  schema_version: z.number().int().min(1),
  /** Of the rules that make a text's words: the words are counted again by a restore. */
  tokenizer: z.number().int().min(1),
  installation: z.strictObject({
    installation_id: z.uuid(),
    generation: z.number().int().min(1).max(1_000_000_000),
    signing_keys: z.record(z.string(), z.unknown()),
    created_at: z.iso.datetime({ offset: true }),
  }),
  embedding_models: z.array(
    z.strictObject({
      model_key: z.number().int().min(1).max(32_767),
      name: z.string(),
      dimension: z.number().int().min(1).max(16_000),
      /** What it is here for; null: nothing has been said about it. */
      use: z.enum(['searched', 'kept', 'dropped']).nullable(),
    }),
  ),
  compression: z.literal('zstd'),
  encryption: z.nullable(
    z.strictObject({
      algorithm: z.literal('aes-256-gcm'),
      /** The id of the key-encryption key, which BACKUP_KEY gives. */
      key_id: z.string(),
      /** Data keys by id, each encrypted by the key-encryption key: base64 of nonce, key, tag. */
      data_keys: z.record(z.string(), z.string()),
    }),
  ),
  /** False in what says how far a backup is. */
  whole: z.boolean(),
  /** Where it lies beside this one, the archive that this one builds on: null where everything is here. */
  base: z.nullable(z.strictObject({ archive: z.string().regex(/^[0-9A-Za-z-]{1,100}$/), archive_id: z.uuid() })),
  /** Of the instant, as `pg_current_snapshot()` has it: what it does not see, the next archive holds. */
  snapshot: z.string().regex(/^\d+:\d+:[\d,]*$/),
  /** The only tenant that it holds; null: all. */
  only: z.nullable(count),
  /** The rows that this archive holds, and their key without the tenant. */
  tables: z.record(name, z.strictObject({ columns: z.array(name), key: z.array(name), rows: count, content: hex64 })),
  /** What there was at the instant, by tenant and table. */
  contents: z.record(z.string().regex(/^\d+$/), z.record(name, Content)),
  /** Of the words, which a restore counts again; null where some were cut by the rules of an older version. */
  words: z.nullable(z.strictObject({ postings: WordSum, closed_postings: WordSum })),
  /** Questions that were asked of the database in the same snapshot, which a drill asks of a copy. */
  probes: count,
  tenants: count,
  blocks: count,
  parts: z.array(z.strictObject({ name: z.string(), bytes: z.number().int().min(1), blocks: z.number().int().min(1), rows: z.number().int().min(1), sha256: hex64 })),
})
export type Manifest = z.output<typeof Manifest>

/** What is wrong with an archive, or why it does not fit here: a sentence for whoever asked. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError'
}
