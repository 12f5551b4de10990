import type { Command } from 'commander'
import { confirmOf, findLetters, type Letter, placeOf, purgeLetters, purgeRanges, replayLetters } from '../../shared/kafka/index.ts'
import { appendAudit, type Ctx } from '../../shared/tenant/index.ts'
import { administerInstallation } from './administer.ts'
import { instantOf } from './age.ts'
import { addLetterFilter, addTopic, type DlqOptions, deadLettersOf, filterOf } from './dlq.ts'
import { CommandError } from './failure.ts'
import { answer, count, remark } from './output.ts'

type Change = DlqOptions & { yes?: true; confirm?: string }
type Replay = Change & { again?: true }
type Purge = Change & { reason: string; all?: true }
/** An audit row names so many places. */
const placesPerAudit = 500

const replayExamples = `
The bytes and the key go back to the topic they came from, with headers that say so, and every consumer gets them again: each applies an event once, however
often it comes. What was replayed before is passed over unless --again is given. With ids these are replayed at once; without, all that match are counted, and
replayed with --yes, or with --confirm and what the dry run answered, which holds for exactly those letters.

Examples:
  $ npx soma dlq replay 0:41 0:42
  $ npx soma dlq replay --reason 'names no tenant'
  $ npx soma dlq replay --reason 'names no tenant' --yes
  $ npx soma dlq replay --tenant acme --confirm 3f2a90cc1b7de544 --json`

const purgeExamples = `
Kafka deletes from the beginning of a partition: up to these letters with themselves, all that were buried before an age, or all. The reason is kept in the
audit log of the tenant "system". Without --yes, or the --confirm of a dry run, it is only counted.

Examples:
  $ npx soma dlq purge 0:41 --reason 'read and dealt with'
  $ npx soma dlq purge --older-than 7d --reason 'read and dealt with' --yes
  $ npx soma dlq purge --all --reason 'a test that went wrong' --yes`

export function addDlqChanges(dlq: Command): void {
  addConfirm(addTopic(addLetterFilter(dlq.command('replay').argument('[ids...]', 'partition:offset, as `soma dlq list` shows them'))))
    .description('send dead letters back to the topic they came from')
    .option('--again', 'also those that were replayed before')
    .addHelpText('after', replayExamples)
    .action(async (ids: string[], _options, command: Command) => replay(command.optsWithGlobals<Replay>(), ids))

  addConfirm(addTopic(dlq.command('purge').argument('[ids...]', 'up to these, one a partition')))
    .description('delete dead letters for good, from the beginning of their partitions')
    .requiredOption('--reason <text>', 'why, for the audit log')
    .option('--older-than <age>', 'all that were buried longer ago than this: 90s, 15m, 2h, 7d, or before a time', instantOf)
    .option('--all', 'all that are there now')
    .addHelpText('after', purgeExamples)
    .action(async (ids: string[], _options, command: Command) => purge(command.optsWithGlobals<Purge>(), ids))
}

function addConfirm(command: Command): Command {
  return command.option('--yes', 'do it, not only count').option('--confirm <text>', 'do it, if it is still what the dry run with this answer counted')
}

async function replay(options: Replay, ids: string[]): Promise<void> {
  const filter = { ...filterOf(options), open: options.open === true || !options.again }
  const narrowed = [options.reason, options.tenant, options.olderThan, options.open, options.confirm].some((given) => given !== undefined)
  if (ids.length && narrowed) throw new CommandError('usage', 'Give the ids of dead letters, or a filter, not both.')
  for (const id of ids) checkId(id)
  await administerInstallation(options, 'dlq replay', async (operator) => {
    const { client, topic } = await deadLettersOf(options, 'dlq replay')
    const { letters, more } = await findLetters(client, topic, { ...filter, ...(ids.length ? { ids } : {}) })
    const able = letters.filter((one) => one.not_replayable === null)
    const confirm = confirmOf(['replay', topic, able.map((one) => one.id)])
    const unable = letters.filter((one) => one.not_replayable !== null).map((one) => ({ id: one.id, reason: one.not_replayable as string }))
    const skipped = ids.length ? new Set(ids).size - letters.length : 0
    if (!ids.length && !confirmed(options, confirm)) {
      const text = `${more ? 'The oldest ' : ''}${count(able.length, 'dead letter matches', 'dead letters match')}${cannotText(unable)}. With --yes they are replayed.`
      return answer(options, { topic, matched: able.length, not_replayable: unable, more, confirm }, text)
    }
    await audit(operator, 'dlq.replay', topic, able, {})
    const report = await replayLetters(client, topic, able)
    const notDone = [...unable, ...report.failed]
    const rest = skipped ? `; ${skipped} not: not there, or replayed before (--again)` : more ? '; there are more: run it again' : ''
    answer(options, { topic, replayed: report.replayed, skipped, not_replayable: notDone, more }, `${count(report.replayed, 'dead letter')} replayed${cannotText(notDone)}${rest}.`)
  })
}

async function purge(options: Purge, ids: string[]): Promise<void> {
  const { olderThan, all, reason } = options
  if ([ids.length > 0, olderThan !== undefined, all === true].filter(Boolean).length !== 1)
    throw new CommandError('usage', 'Say what to purge: ids, --older-than, or --all; one of them.')
  if (!/\S/.test(reason) || reason.length > 500) throw new CommandError('usage', '--reason takes up to 500 characters that say why.')
  for (const id of ids) checkId(id)
  await administerInstallation(options, 'dlq purge', async (operator) => {
    const { client, topic } = await deadLettersOf(options, 'dlq purge')
    const ranges = await purgeRanges(client, topic, ids.length ? { ids } : olderThan === undefined ? { all: true } : { olderThan })
    const upTo = ranges.map(({ partition, to }) => `${partition}:${to - 1n}`)
    const inside = (one: Letter) => ranges.some(({ partition, to }) => partition === one.partition && BigInt(one.offset) < to)
    const found = await findLetters(client, topic, {})
    const letters = found.letters.filter(inside)
    const open = letters.filter((one) => one.replayed_at === null).length
    const confirm = confirmOf(['purge', topic, upTo, letters.length, open])
    const figures = { topic, up_to: upTo, letters: letters.length, never_replayed: open, more: found.more }
    if (!confirmed(options, confirm)) {
      const text = `${found.more ? 'More than ' : ''}${count(letters.length, 'dead letter')}, ${open} of them never replayed, up to ${upTo.join(', ') || 'nowhere'}. With --yes they are deleted for good.`
      return answer(options, { ...figures, confirm }, text)
    }
    await audit(operator, 'dlq.purge', topic, letters, { reason, up_to: upTo })
    await purgeLetters(client, topic, ranges)
    answer(options, { ...figures, purged: letters.length }, `${count(letters.length, 'dead letter')} purged, ${open} of them never replayed.`)
    remark(options, 'The broker frees the space when it rolls their segments.')
  })
}

/** @throws CommandError conflict when it is another match by now */
function confirmed({ yes, confirm }: Change, now: string): boolean {
  if (confirm !== undefined && confirm !== now) throw new CommandError('conflict', 'What matches has changed since the dry run: make another one.')
  return yes === true || confirm !== undefined
}

function checkId(id: string): void {
  try {
    placeOf(id)
  } catch (error) {
    throw new CommandError('usage', (error as Error).message)
  }
}

/** Before it is done: who asked for what, and where it lay, is known whatever happens next. */
async function audit(operator: Ctx, action: string, topic: string, letters: Letter[], more: Record<string, unknown>): Promise<void> {
  await operator.worker.transaction({ role: 'soma_worker', tenantId: operator.tenantId }, async (tx) => {
    for (let from = 0; from === 0 || from < letters.length; from += placesPerAudit) {
      const part = letters.slice(from, from + placesPerAudit)
      const places = part.map(({ id, source }) => ({ id, from: source && `${source.topic} ${source.partition}:${source.offset}` }))
      await appendAudit(tx, operator, action, topic, { ...more, letters: letters.length, places })
    }
  })
}

function cannotText(unable: { id: string; reason: string }[]): string {
  if (!unable.length) return ''
  const [first] = unable
  return `; ${unable.length} cannot be, such as ${first?.id}: ${first?.reason}`
}
