import { dropEmbedded, dropLeftOver, dropTemplates, nameOfRun } from './template.ts'

/** The real services that suites may ask for, by the variable that says where they are; local/services/run.ts starts them and sets it. */
export const services = {
  POSTGRES_URL: 'PostgreSQL 18',
  POSTGRES16_URL: 'PostgreSQL 16',
  TEST_S3_URL: 'S3',
  KAFKA_BOOTSTRAP_SERVERS: 'Kafka',
  TEST_REDIS_URL: 'Redis',
  TEST_MILVUS_URL: 'Milvus',
  CHROMIUM_PATH: 'Chromium',
  PGBOUNCER_PATH: 'PgBouncer',
  PROMTOOL_PATH: 'promtool',
  GRAFANA_DECODER_PATH: "Grafana's types of dashboards",
  KUBERNETES_TOOLS_PATH: "validators of Kubernetes' objects",
  CFN_LINT_PATH: 'cfn-lint',
  LAMBDA_RUNTIME_PATH: "Lambda's runtime client",
  OTELCOL_PATH: 'OpenTelemetry Collector',
} as const

/** Built for the longer run alone (.ci/full). */
const onlyInFull = new Set<string>(['GRAFANA_DECODER_PATH'])

export type ServiceVariable = keyof typeof services

/**
 * Where a service is, or undefined when it is absent: the suite is then skipped with the reason in its name. Called while tests are collected, outside of `test`.
 * @throws Error when it is absent and REQUIRE_SERVICES=1, so that CI never passes by skipping
 */
export function requireService(variable: ServiceVariable): string | undefined {
  const found = process.env[variable]
  if (found || (onlyInFull.has(variable) && process.env.SOMA_FULL !== '1')) return found
  if (process.env.REQUIRE_SERVICES === '1') {
    throw new Error(
      `${variable} is not set and REQUIRE_SERVICES=1 asks for ${services[variable]}. Run the tests by \`node local/services/run.ts postgres pgbouncer promtool kubernetes cfnlint s3 kafka redis milvus chromium lambda collector --major 18 --major 16 -- npm test\`.`,
    )
  }
  return undefined
}

/** Vitest's global setup: one line that says what the run has, and a name for what its workers share (template.ts). */
export function setup(): () => Promise<void> {
  const state = Object.entries(services).map(([variable, name]) => `${name} ${process.env[variable] ? 'yes' : `no (${variable} is not set)`}`)
  console.log(`services: ${state.join(', ')}`)
  dropLeftOver()
  const run = nameOfRun()
  process.env.SOMA_TEST_RUN = run
  return async () => {
    dropEmbedded(run)
    for (const url of [process.env.POSTGRES_URL, process.env.POSTGRES16_URL]) if (url) await dropTemplates(url, run)
  }
}
