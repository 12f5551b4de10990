import type { Command } from 'commander'
import { topics } from '../../functions/topics.ts'
import { ConfigError, kafkaConnection } from '../../shared/config/index.ts'
import { brokerTopic, createClient, ensureTopics, type TopicReport } from '../../shared/kafka/index.ts'
import { configOf, type Globals, refuseUrl } from './globals.ts'
import { answer, count } from './output.ts'

const examples = `
Makes the topics of the manifest that are missing on the broker of KAFKA_BOOTSTRAP_SERVERS, and raises partitions where there are fewer. Partitions are never
lowered, and the settings of a topic that is there stay: what differs is told, and whoever looks after the broker decides.

Examples:
  $ npx soma topics ensure
  $ npx soma topics ensure --dry-run --json`

const groupExamples = `
Examples:
  $ npx soma topics ensure --dry-run
  $ npx soma topics ensure`

export function addTopics(program: Command): void {
  const group = program.command('topics').description("look after the broker's topics").addHelpText('after', groupExamples)
  group
    .command('ensure')
    .description('make the topics that are missing, raise their partitions, tell what differs')
    .option('--dry-run', 'change nothing: say what would be done')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const { dryRun = false, ...globals } = command.optsWithGlobals<Globals & { dryRun?: true }>()
      refuseUrl(globals, 'topics ensure')
      const config = await configOf(globals)
      const connection = kafkaConnection(config)
      if (!connection) throw new ConfigError('KAFKA_BOOTSTRAP_SERVERS is missing: it says where the broker is.')
      const wanted = topics.map((topic) => ({ ...topic, name: brokerTopic(topic.name, config.KAFKA_MEMORY_EVENTS_TOPIC) }))
      const reports = await ensureTopics(createClient(connection), wanted, { dryRun })
      answer(globals, { dry_run: dryRun, topics: reports }, reports.map((report) => sentence(report, dryRun)).join('\n'))
    })
}

function sentence({ topic, action, partitions, replication, differences }: TopicReport, dryRun: boolean): string {
  const shape = `${count(partitions, 'partition')}, replicated ${count(replication, 'time')}`
  const done = { created: dryRun ? 'would be made' : 'is made', 'partitions raised': dryRun ? 'would get more partitions' : 'has more partitions now', unchanged: 'is there' }[
    action
  ]
  const more = differences.map(({ setting, is, wants }) => `\n  ${setting} is ${is || 'not set'} and should be ${wants}: it is left as it is.`)
  return `${topic} ${done}: ${shape}.${more.join('')}`
}
