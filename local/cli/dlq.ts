import type { Command } from 'commander'
import { topics } from '../../functions/topics.ts'
import { ConfigError, kafkaConnection } from '../../shared/config/index.ts'
import { brokerTopic, createClient, deadLetterTopic, type KafkaClient, type Letter, type LetterFilter, listLetters, readLetter } from '../../shared/kafka/index.ts'
import { age, instantOf } from './age.ts'
import { addDlqChanges } from './dlq-changes.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals, integer, refuseUrl } from './globals.ts'
import { answer, count, oneLine, table } from './output.ts'

export type DlqOptions = Globals & { topic?: string; reason?: string; tenant?: string; olderThan?: string; open?: true }
/** The broker, and the topic of dead letters that is meant. */
export type DeadLetters = { client: KafkaClient; topic: string }

const examples = `
A dead letter is a record that no consumer can ever apply, byte by byte as it came, with the reason and its place. They lie in memory.events.dlq on the broker
of KAFKA_BOOTSTRAP_SERVERS until retention or purge. What was replayed is marked there, and passed over by the next replay.

Examples:
  $ npx soma dlq list
  $ npx soma dlq show 0:41
  $ npx soma dlq replay --reason 'no tenant' --yes
  $ npx soma dlq purge --older-than 30d --reason 'read and dealt with'`

const showExamples = `
The value of a record is what customers stored, so it is shown only with --value: as JSON or text, or in base64 where it is neither.

Examples:
  $ npx soma dlq show 0:41
  $ npx soma dlq show 0:41 --value --json | jq .value`

export function addDlq(program: Command): void {
  const dlq = program.command('dlq').description("look into Kafka's dead letters; replay and purge them").addHelpText('after', examples)

  addTopic(addLetterFilter(dlq.command('list')))
    .description('list dead letters, the newest first')
    .option('--limit <number>', 'how many at most, 1 to 1000', integer, 50)
    .addHelpText('after', '\nExamples:\n  $ npx soma dlq list\n  $ npx soma dlq list --open --tenant acme\n  $ npx soma dlq list --reason json --older-than 1h --json')
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<DlqOptions & { limit: number }>()
      if (options.limit < 1 || options.limit > 1000) throw new CommandError('usage', '--limit takes 1 to 1000.')
      const { client, topic } = await deadLettersOf(options, 'dlq list')
      const { letters, more } = await listLetters(client, topic, filterOf(options), options.limit)
      answer(options, { topic, items: letters, more }, listText(letters, more))
    })

  addTopic(dlq.command('show').argument('<id>', 'partition:offset, as `soma dlq list` shows it'))
    .description('show one dead letter whole: where it came from, its headers and, when asked, its value')
    .option('--value', 'show the value too: it is what a customer stored')
    .addHelpText('after', showExamples)
    .action(async (id: string, _options, command: Command) => {
      const options = command.optsWithGlobals<DlqOptions & { value?: true }>()
      const { client, topic } = await deadLettersOf(options, 'dlq show')
      const found = await readLetter(client, topic, id)
      if (!found) throw new CommandError('not_found', `There is no dead letter ${id} in ${topic}: it was purged, is past its retention, or never was.`)
      const { letter, key, headers, timestamp } = found
      // whether it was replayed takes a look at all that follows: list says it
      const { replayed_at: _replayed, ...shown } = letter
      const document = { topic, ...shown, buried_at: timestamp, key: key && shownBytes(key), headers, ...(options.value ? { value: found.value && shownBytes(found.value) } : {}) }
      answer(options, document, JSON.stringify(document, null, 2))
    })

  addDlqChanges(dlq)
}

export function addTopic(command: Command): Command {
  return command.option('--topic <name>', 'dead letters of this topic', 'memory.events')
}

export function addLetterFilter(command: Command): Command {
  return command
    .option('--reason <text>', 'only those whose reason contains this')
    .option('--tenant <name>', 'only those of this tenant')
    .option('--older-than <age>', 'only those first seen longer ago than this: 90s, 15m, 2h, 7d, or before a time', instantOf)
    .option('--open', 'only those that have not been replayed')
}

export function filterOf({ reason, tenant, olderThan, open }: DlqOptions): LetterFilter {
  return { reason, tenant, olderThan, open: open === true }
}

/** @throws CommandError, ConfigError without a broker */
export async function deadLettersOf(options: DlqOptions, command: string): Promise<DeadLetters> {
  refuseUrl(options, command)
  const config = await configOf(options)
  const connection = kafkaConnection(config)
  if (!connection) throw new ConfigError('KAFKA_BOOTSTRAP_SERVERS is missing: it says where the broker is.')
  const known = topics.map(({ name }) => name).filter((name) => topics.some((one) => one.name === deadLetterTopic(name)))
  const source = known.find((name) => name === options.topic || brokerTopic(name, config.KAFKA_MEMORY_EVENTS_TOPIC) === options.topic)
  if (source === undefined) throw new CommandError('usage', `There are no dead letters of "${options.topic}"; there are those of ${known.join(', ')}.`)
  return { client: createClient(connection), topic: brokerTopic(deadLetterTopic(source), config.KAFKA_MEMORY_EVENTS_TOPIC) }
}

/** JSON as it is, other text as a text, and what is no UTF-8 in base64. */
function shownBytes(bytes: Buffer): unknown {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return { base64: bytes.toString('base64') }
  }
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function listText(letters: Letter[], more: boolean): string {
  if (!letters.length) return 'There are no such dead letters.'
  const rows = letters.map((one) => [
    one.id,
    age(one.age_seconds),
    one.tenant === null ? '-' : oneLine(one.tenant, 63),
    one.source ? `${oneLine(one.source.topic, 60)} ${one.source.partition}:${one.source.offset}` : '-',
    one.replayed_at ?? (one.not_replayable ? 'cannot be' : '-'),
    oneLine(one.reason ?? ''),
  ])
  return `${table([['ID', 'AGE', 'TENANT', 'SOURCE', 'REPLAYED', 'REASON'], ...rows])}\n${count(letters.length, 'dead letter')}${more ? '; there are more: raise --limit or narrow it' : ''}`
}
