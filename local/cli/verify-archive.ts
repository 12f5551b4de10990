import { openArchive, type VerifyReport, verifyArchive } from '../../shared/backup/index.ts'
import { backupKeyOf, existingPlace, onArchive } from './archive.ts'
import { configOf, type Globals } from './globals.ts'
import { answer, count } from './output.ts'
import { bytesText, numberText, showProgress } from './progress.ts'

/** Every hash and every authentication of an archive, down to each row; no database is opened. @throws CommandError that says what is wrong */
export async function verifyArchiveAt(globals: Globals, given: string): Promise<void> {
  const config = await configOf(globals)
  const place = await existingPlace(given, config)
  const key = backupKeyOf(config)
  const report = await onArchive(globals, async (signal): Promise<VerifyReport> => {
    const archive = await openArchive(place, key)
    const total = Object.values(archive.manifest.tables).reduce((sum, table) => sum + table.rows, 0)
    const progress = showProgress(globals, { label: 'Verifying', unit: 'rows', total })
    const onRows = (rows: number) => {
      signal.throwIfAborted()
      progress.report(rows)
    }
    return verifyArchive(archive, true, onRows).finally(progress.end)
  })
  const text = `The archive of ${report.created_at} is whole: ${numberText(report.rows)} rows, ${count(report.parts, 'part')}, ${bytesText(report.bytes)}, ${report.encrypted ? 'encrypted' : 'not encrypted'}.`
  answer(globals, report, text)
}
