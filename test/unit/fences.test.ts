import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

type Case = readonly [file: string, code: string]
/** Lines of code that the linter refuses in a file, saying so, and lines next to them that pass. */
type Fence = { says: RegExp; refuses: readonly Case[]; passes: readonly Case[] }

const from = (specifier: string) => `import '${specifier}'`

/** A vendor's package may be imported in its homes, and nowhere else. */
const vendor = (name: string, says: RegExp, homes: readonly string[], strangers: readonly string[]): Fence => ({
  says,
  refuses: strangers.map((folder) => [`${folder}/x.ts`, from(name)]),
  passes: homes.map((folder) => [`${folder}/x.ts`, from(name)]),
})

const fences: Record<string, Fence> = {
  'the stacks know lib, the manifest, the CDK, zod and Node': {
    says: /The stacks import from lib/,
    refuses: [
      ['bin/app.ts', from('../shared/db/index.ts')],
      ['bin/app.ts', from('../functions/store/handler.ts')],
      ['bin/app.ts', from('../local/start.ts')],
      ['lib/x.ts', from('../shared/db/index.ts')],
      ['lib/x.ts', from('../functions/store/lambda.ts')],
      ['lib/x.ts', from('undici')],
      ['lib/stages/x.ts', from('../../shared/db/index.ts')],
    ],
    passes: [
      ['bin/app.ts', from('../lib/stack.ts')],
      ['bin/app.ts', from('../functions/manifest.ts')],
      ['bin/app.ts', from('aws-cdk-lib')],
      ['lib/x.ts', from('./network.ts')],
      ['lib/x.ts', from('../functions/manifest.ts')],
      ['lib/x.ts', from('aws-cdk-lib/aws-lambda')],
      ['lib/x.ts', from('constructs')],
      ['lib/x.ts', from('zod')],
      ['lib/x.ts', from('node:fs')],
      ['lib/stages/x.ts', from('../settings.ts')],
    ],
  },
  'the command line knows local, shared and the manifest': {
    says: /The command line imports from/,
    refuses: [
      ['bin/soma.ts', from('../lib/stack.ts')],
      ['bin/soma.ts', from('../functions/store/handler.ts')],
      ['bin/soma.ts', from('./app.ts')],
    ],
    passes: [
      ['bin/soma.ts', from('../local/start.ts')],
      ['bin/soma.ts', from('../shared/db/index.ts')],
      ['bin/soma.ts', from('../functions/manifest.ts')],
    ],
  },
  'a function knows shared, itself and the manifest': {
    says: /A function imports from its own folder/,
    refuses: [
      ['functions/store/x.ts', from('../recall/handler.ts')],
      ['functions/store/x.ts', from('./../recall/handler.ts')],
      ['functions/store/x.ts', from('../../shared/../functions/recall/handler.ts')],
      ['functions/store/x.ts', `export const a = await import('../recall/handler.ts')`],
      ['functions/store/x.ts', `export type A = import('../recall/handler.ts').A`],
      ['functions/store/x.ts', from('../../local/start.ts')],
      ['functions/store/x.ts', from('../../lib/stack.ts')],
      ['functions/store/parts/x.ts', from('../../recall/handler.ts')],
      ['functions/manifest.ts', from('./store/handler.ts')],
    ],
    passes: [
      ['functions/manifest.ts', from('./row.ts')],
      ['functions/store/x.ts', from('./deps.ts')],
      ['functions/store/x.ts', from('./parts/x.ts')],
      ['functions/store/x.ts', from('../manifest.ts')],
      ['functions/store/x.ts', from('../../shared/memory/index.ts')],
      ['functions/store/parts/x.ts', from('../deps.ts')],
      ['functions/store/parts/x.ts', from('../../../shared/memory/index.ts')],
    ],
  },
  'local knows functions and shared': {
    says: /local imports from itself/,
    refuses: [
      ['local/x.ts', from('../lib/stack.ts')],
      ['local/x.ts', from('../bin/soma.ts')],
      ['local/services/x.ts', from('../../test/support/services.ts')],
    ],
    passes: [
      ['local/x.ts', from('../functions/store/handler.ts')],
      ['local/x.ts', from('../shared/db/index.ts')],
      ['local/x.ts', `export const open = (name: string) => import(\`../functions/\${name}/handler.ts\`)`],
      ['local/services/x.ts', from('../start.ts')],
    ],
  },
  'shared knows none of the others, and its subjects know each other by their index.ts': {
    says: /shared imports nothing of bin, lib/,
    refuses: [
      ['shared/recall/x.ts', from('../../functions/manifest.ts')],
      ['shared/recall/x.ts', from('../../local/start.ts')],
      ['shared/recall/x.ts', from('../../lib/stack.ts')],
      ['shared/recall/x.ts', from('../../bin/soma.ts')],
      ['shared/recall/x.ts', from('../db/pool.ts')],
      ['shared/recall/x.ts', from('../db/sql/claim.ts')],
      ['shared/recall/x.ts', `export type { Pool } from '../db/pool.ts'`],
      ['shared/recall/sql/x.ts', from('../../db/pool.ts')],
      ['shared/recall/sql/deep/x.ts', from('../../../db/pool.ts')],
      ['shared/x.ts', from('./db/pool.ts')],
    ],
    passes: [
      ['shared/recall/x.ts', from('./rank.ts')],
      ['shared/recall/x.ts', from('./sql/x.ts')],
      ['shared/recall/x.ts', from('../db/index.ts')],
      ['shared/recall/x.ts', from('../errors.ts')],
      ['shared/recall/sql/x.ts', from('../rank.ts')],
      ['shared/recall/sql/x.ts', from('../../db/index.ts')],
      ['shared/recall/sql/deep/x.ts', from('../../../db/index.ts')],
      ['shared/x.ts', from('./db/index.ts')],
    ],
  },
  pg: vendor('pg', /database drivers live in shared\/db/, ['shared/db'], ['shared/recall', 'functions/store', 'local', 'bin']),
  'pg as a type': { says: /database drivers/, refuses: [['shared/recall/x.ts', `export type { Pool } from 'pg'`]], passes: [] },
  pglite: vendor('@electric-sql/pglite/node-postgres', /database drivers/, ['shared/embedded'], ['shared/recall', 'local']),
  'fs-native-extensions': vendor('fs-native-extensions', /lives in shared\/lock/, ['shared/lock'], ['local', 'shared/embedded', 'shared/journal']),
  'node-pg-migrate': vendor('node-pg-migrate', /database drivers/, ['shared/db'], ['functions/migrate']),
  hono: vendor('hono', /hono lives in/, ['shared/http', 'functions/store'], ['shared/recall', 'local', 'bin']),
  'a package of hono': vendor('@hono/zod-openapi', /@hono\/\* lives in/, ['shared/http'], ['functions/store', 'local']),
  'the node server': vendor('@hono/node-server', /@hono\/node-server lives in/, ['shared/host', 'local'], ['shared/http', 'functions/store']),
  'the AWS SDK': vendor('@aws-sdk/client-lambda', /AWS SDK lives in/, ['shared/aws'], ['shared/outbox', 'functions/store', 'local', 'shared/s3']),
  "MSK's signer": vendor('aws-msk-iam-sasl-signer-js', /AWS SDK lives in/, ['shared/aws'], ['shared/kafka']),
  'the S3 client': vendor('@aws-sdk/client-s3', /S3 client lives in/, ['shared/s3'], ['shared/aws', 'shared/blob', 'shared/backup', 'local/cli', 'functions/backup']),
  pino: vendor('pino', /pino and prom-client live in/, ['shared/telemetry'], ['shared/http', 'functions/store']),
  'prom-client': vendor('prom-client', /pino and prom-client live in/, ['shared/telemetry'], ['functions/status']),
  OpenTelemetry: vendor('@opentelemetry/sdk-trace', /OpenTelemetry lives in shared\/trace/, ['shared/trace'], ['shared/telemetry', 'shared/http', 'functions/store', 'local']),
  kafkajs: vendor('kafkajs', /kafkajs lives in/, ['shared/kafka'], ['shared/outbox']),
  cockatiel: vendor('cockatiel', /cockatiel lives in/, ['shared/breaker'], ['shared/embed', 'shared/redis', 'functions/recall']),
  jose: vendor('jose', /jose lives in/, ['shared/jwt'], ['shared/tenant', 'shared/http', 'functions/tenants', 'local/cli']),
  ioredis: vendor('ioredis', /ioredis lives in/, ['shared/redis'], ['shared/recall']),
  'the Milvus SDK': vendor('@zilliz/milvus2-sdk-node', /Milvus SDK lives in/, ['shared/milvus'], ['shared/vector', 'shared/recall']),
  'rate-limiter-flexible': vendor('rate-limiter-flexible', /rate-limiter-flexible lives in/, ['shared/limit'], ['shared/redis', 'shared/http', 'functions/store']),
  stemmers: vendor('wink-porter2-stemmer', /stemmers live in/, ['shared/text'], ['shared/recall']),
  commander: vendor('commander', /commander lives in/, ['bin', 'local/cli'], ['local', 'shared/config']),
  "Grafana's builders": vendor(
    '@grafana/grafana-foundation-sdk/dashboard',
    /builders live in local\/dashboards/,
    ['local/dashboards'],
    ['local', 'functions/status', 'shared/telemetry'],
  ),
  'the environment': {
    says: /noProcessEnv/,
    refuses: ['shared/db/x.ts', 'functions/store/x.ts', 'lib/x.ts'].map((file) => [file, 'console.log(process.env.POSTGRES_URL)']),
    passes: ['shared/config/x.ts', 'bin/soma.ts', 'local/x.ts', 'test/unit/x.ts', 'bench/x.ts'].map((file) => [file, 'console.log(process.env.POSTGRES_URL)']),
  },
  'the environment by import': vendor('node:process', /read in shared\/config only/, ['shared/config', 'local', 'bin'], ['shared/db', 'functions/store']),
  'no default exports': { says: /noDefaultExport/, refuses: [['shared/db/x.ts', 'export default 1']], passes: [['vitest.config.ts', 'export default 1']] },
  'no any': { says: /noExplicitAny/, refuses: [['test/unit/x.ts', 'export const wild: any = 1']], passes: [['test/unit/x.ts', 'export const tame: unknown = 1']] },
}

// Every line goes into its file of one temporary tree, so that one Biome answers for all of them; its complaints are told apart by file and line.
const root = realpathSync(mkdtempSync(join(tmpdir(), 'soma-fences-')))
const cases = Object.values(fences).flatMap(({ refuses, passes }) => [...refuses, ...passes])
const complaints = new Map<string, string[]>()
const key = ([file, code]: Case) => `${file}: ${code}`

beforeAll(() => {
  const tree = Map.groupBy(cases, ([file]) => file)
  for (const [file, lines] of tree) {
    mkdirSync(join(root, dirname(file)), { recursive: true })
    writeFileSync(join(root, file), lines.map(([, code]) => `${code}\n`).join(''))
  }
  // Biome's schema is named by a path into node_modules, which the tree has not.
  const { $schema: _, ...configuration } = JSON.parse(readFileSync('biome.json', 'utf8')) as Record<string, unknown>
  writeFileSync(join(root, 'biome.json'), JSON.stringify(configuration))
  cpSync('biome', join(root, 'biome'), { recursive: true })
  const biome = spawnSync(resolve('node_modules/.bin/biome'), ['lint', '--error-on-warnings', '--reporter=github', '--max-diagnostics=none', '.'], { cwd: root, encoding: 'utf8' })
  for (const [, title, file, line, message] of biome.stdout.matchAll(/^::\w+ title=([^,]+),file=([^,]+),line=(\d+),[^:]*::(.*)$/gm)) {
    const place = tree.get(relative(root, resolve(root, file ?? '')))?.[Number(line) - 1]
    if (!place) throw new Error(`Biome complains about ${file}:${line}, which is no line of ours: ${title} ${message}`)
    complaints.set(key(place), [...(complaints.get(key(place)) ?? []), `${title}: ${message}`])
  }
})

afterAll(() => rmSync(root, { recursive: true }))

describe.each(Object.entries(fences))('%s', (_name, { says, refuses, passes }) => {
  test.each(refuses)('refused in %s: %s', (...line) => {
    expect(complaints.get(key(line))).toEqual([expect.stringMatching(says)])
  })
  test.each(passes)('fine in %s: %s', (...line) => {
    expect(complaints.get(key(line))).toBeUndefined()
  })
})
