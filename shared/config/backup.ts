import * as z from 'zod'

const count = (low: number, high: number) => z.coerce.number().int().min(low).max(high)
/** 0 is never. */
const hours = z.coerce.number().min(0).max(8_784)

/** Where backups go, how often, and what is restored. */
export const backupVariables = {
  BACKUP_BUCKET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, { error: 'takes the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens' })
    .optional(),
  BACKUP_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_@+=-][A-Za-z0-9._@+=-]*(\/[A-Za-z0-9_@+=-][A-Za-z0-9._@+=-]*)*$/, { error: 'takes names of letters, digits and ._@+=- joined by /' })
    .optional(),
  BACKUP_KEY: z
    .string()
    .regex(/^([0-9a-fA-F]{64}|[A-Za-z0-9+/]{43}=)$/, { error: 'takes 32 bytes, as 64 hexadecimal digits or in base64' })
    .optional(),
  RESTORE_FROM: z.string().optional(),
  RESTORE_AT: z.iso.datetime({ offset: true }).optional(),
  RESTORE_TENANT: z.string().optional(),
  RESTORE_AS: z.string().optional(),
  BACKUP_EVERY_HOURS: hours.optional(),
  BACKUP_INCREMENT_EVERY_HOURS: hours.optional(),
  BACKUP_PACE: z.coerce.number().min(0.05).max(1).default(1),
  BACKUP_LOCK_DAYS: count(0, 36_500).default(0),
  BACKUP_KEEP_DAILY: count(0, 1_000).default(7),
  BACKUP_KEEP_WEEKLY: count(0, 1_000).default(5),
  BACKUP_KEEP_MONTHLY: count(0, 1_000).default(12),
  DRILL_EVERY_HOURS: hours.optional(),
  DRILL_MAX_GB: count(1, 1_000_000).default(50),
}

type Given = { BACKUP_BUCKET?: string | undefined } & Partial<Record<keyof Schedules, number | undefined>>
export type Schedules = { BACKUP_EVERY_HOURS: number; BACKUP_INCREMENT_EVERY_HOURS: number; DRILL_EVERY_HOURS: number }

/** Where there is no bucket a backup would lie beside what it is of: then none is due by itself. */
export function schedules({ BACKUP_BUCKET, BACKUP_EVERY_HOURS, BACKUP_INCREMENT_EVERY_HOURS, DRILL_EVERY_HOURS }: Given): Schedules {
  const kept = BACKUP_BUCKET !== undefined
  return {
    BACKUP_EVERY_HOURS: BACKUP_EVERY_HOURS ?? (kept ? 24 : 0),
    BACKUP_INCREMENT_EVERY_HOURS: BACKUP_INCREMENT_EVERY_HOURS ?? (kept ? 1 : 0),
    DRILL_EVERY_HOURS: DRILL_EVERY_HOURS ?? (kept ? 168 : 0),
  }
}
