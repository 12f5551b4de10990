/** Brings up real services for one command: `node local/services/run.ts postgres chromium --major 18 [--major 16] [--fsync] (--keep | -- <command…>)`. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { parseArgs } from 'node:util'
import { installCfnLint } from './cfn-lint.ts'
import { installChromium } from './chromium.ts'
import { installCollector } from './collector-install.ts'
import { installGrafanaDecoder } from './grafana-decoder.ts'
import { installK6 } from './k6.ts'
import { startKafka } from './kafka.ts'
import { installKubernetesTools } from './kubernetes-tools.ts'
import { installLambdaRuntime } from './lambda.ts'
import { startMilvus } from './milvus.ts'
import { installPgBouncer } from './pgbouncer.ts'
import { type PostgresMajor, startPostgres } from './postgres.ts'
import { installPromtool } from './promtool.ts'
import { startRedis } from './redis.ts'
import { startS3 } from './s3.ts'

type Service = { env: Record<string, string>; stop(): Promise<void> }
type Options = { majors: readonly PostgresMajor[]; fsync: boolean }

const usage = `usage: node local/services/run.ts <service…> [--major 18] [--major 16] [--fsync] (--keep | -- <command…>)
services: postgres (sets POSTGRES_URL for 18, POSTGRES16_URL for 16), s3 (sets TEST_S3_URL, keys in it), chromium (sets CHROMIUM_PATH), pgbouncer (sets PGBOUNCER_PATH), promtool (sets PROMTOOL_PATH),
  grafana (sets GRAFANA_DECODER_PATH: Grafana's types of dashboards, no server), kubernetes (sets KUBERNETES_TOOLS_PATH: validators of its objects, no cluster),
  cfnlint (sets CFN_LINT_PATH: a linter of CloudFormation's templates), k6 (sets K6_PATH: a program that makes load),
  lambda (sets LAMBDA_RUNTIME_PATH: AWS's runtime client), collector (sets OTELCOL_PATH: OpenTelemetry's),
  kafka (sets KAFKA_BOOTSTRAP_SERVERS; and KAFKA_SASL_BOOTSTRAP_SERVERS, a listener that asks for KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD by SCRAM),
  redis (sets TEST_REDIS_URL, password in it), milvus (sets TEST_MILVUS_URL: Milvus Lite)
  --fsync  durable and with more memory, for benchmarks; without it nothing is flushed
  --keep   print the URLs and stay until Ctrl-C`

const variables: Record<PostgresMajor, string> = { 18: 'POSTGRES_URL', 16: 'POSTGRES16_URL' }

/** By name: what starts it. */
const services: Record<string, (options: Options) => AsyncGenerator<Service>> = {
  async *postgres({ majors, fsync }) {
    for (const major of majors) {
      const { url, stop } = await startPostgres({ major, fsync })
      yield { env: { [variables[major]]: url }, stop }
    }
  },
  // one variable for tests alone: AWS_* would be found by every AWS client of every test
  async *s3() {
    const { url, stop } = await startS3()
    yield { env: { TEST_S3_URL: url }, stop }
  },
  async *kafka() {
    const { bootstrapServers, sasl, stop } = await startKafka()
    const credentials = { KAFKA_SASL_BOOTSTRAP_SERVERS: sasl.bootstrapServers, KAFKA_SASL_USERNAME: sasl.username, KAFKA_SASL_PASSWORD: sasl.password }
    yield { env: { KAFKA_BOOTSTRAP_SERVERS: bootstrapServers, ...credentials }, stop }
  },
  // not REDIS_URL: every server that a test starts from this environment would count its limits there
  async *redis() {
    const { url, stop } = await startRedis()
    yield { env: { TEST_REDIS_URL: url }, stop }
  },
  // not MILVUS_HOST: the embedded suites would search there
  async *milvus() {
    const { url, stop } = await startMilvus()
    yield { env: { TEST_MILVUS_URL: url }, stop }
  },
  // programs, not servers: whoever wants one starts it
  async *pgbouncer() {
    yield { env: { PGBOUNCER_PATH: await installPgBouncer() }, stop: async () => {} }
  },
  async *lambda() {
    yield { env: { LAMBDA_RUNTIME_PATH: await installLambdaRuntime() }, stop: async () => {} }
  },
  async *collector() {
    yield { env: { OTELCOL_PATH: await installCollector() }, stop: async () => {} }
  },
  async *promtool() {
    yield { env: { PROMTOOL_PATH: await installPromtool() }, stop: async () => {} }
  },
  async *grafana() {
    yield { env: { GRAFANA_DECODER_PATH: await installGrafanaDecoder() }, stop: async () => {} }
  },
  async *kubernetes() {
    yield { env: { KUBERNETES_TOOLS_PATH: await installKubernetesTools() }, stop: async () => {} }
  },
  async *cfnlint() {
    yield { env: { CFN_LINT_PATH: await installCfnLint() }, stop: async () => {} }
  },
  async *k6() {
    yield { env: { K6_PATH: await installK6() }, stop: async () => {} }
  },
  async *chromium() {
    yield { env: { CHROMIUM_PATH: await installChromium() }, stop: async () => {} }
  },
}

function parseCommandLine(argv: readonly string[]) {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length
  const { positionals, values } = parseArgs({
    args: argv.slice(0, end),
    allowPositionals: true,
    options: { major: { type: 'string', multiple: true }, fsync: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } },
  })
  const majors = (values.major ?? ['18']).map((major) => {
    if (major !== '18' && major !== '16') throw new Error(`PostgreSQL ${major} is not among the majors we run: 18, 16.`)
    return Number(major) as PostgresMajor
  })
  const command = argv.slice(end + 1)
  const unknown = positionals.find((name) => !Object.hasOwn(services, name))
  if (unknown || positionals.length === 0 || values.keep === command.length > 0) throw new Error(unknown ? `There is no service ${unknown}.\n${usage}` : usage)
  return { names: positionals, options: { majors: [...new Set(majors)], fsync: values.fsync }, command }
}

/**
 * Runs the command to its end and answers its exit code, as a shell would. Signals go on to it, and it decides.
 * In a terminal Ctrl-C reaches it without us. Elsewhere it is a process group of its own, signalled as a whole: npm's shell would keep a SIGTERM to itself.
 */
async function runWith(env: Record<string, string>, [program = '', ...args]: readonly string[]): Promise<number> {
  const terminal = process.stdin.isTTY
  const child = spawn(program, args, { stdio: 'inherit', detached: !terminal, env: { ...process.env, ...env } })
  const forward = (signal: NodeJS.Signals) => child.pid && process.kill(terminal ? child.pid : -child.pid, signal)
  process.on('SIGTERM', forward)
  process.on('SIGINT', (signal) => terminal || forward(signal))
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => reject(new Error(`The command \`${program}\` could not be started.`, { cause })))
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)))
  })
}

/** The running servers keep this process alive meanwhile. */
function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
}

/** All at once: on a bare machine most of the time goes into fetching and building them. What did start is in `started`, also when one could not. @throws the first failure */
async function startAll(names: readonly string[], options: Options, started: Service[]): Promise<void> {
  const attempts = names.map(async (name) => {
    for await (const service of services[name]?.(options) ?? []) started.push(service)
  })
  for (const attempt of await Promise.allSettled(attempts)) if (attempt.status === 'rejected') throw attempt.reason
}

async function main(): Promise<number> {
  const { names, options, command } = parseCommandLine(process.argv.slice(2))
  const started: Service[] = []
  try {
    await startAll(names, options, started)
    const env: Record<string, string> = Object.assign({}, ...started.map((service) => service.env))
    if (command.length > 0) return await runWith(env, command)
    for (const [name, value] of Object.entries(env)) console.log(`${name}=${value}`)
    await untilInterrupted()
    return 0
  } finally {
    await Promise.all(started.map((service) => service.stop()))
  }
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return 1
})
