import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../local/services/command.ts'
import { s3Store } from '../../shared/s3/index.ts'
import { asAdmin } from '../support/engines.ts'
import { createBucket, holdingWay, openUploads, s3Environment, useS3 } from '../support/s3.ts'
import { requireService } from '../support/services.ts'
import { embeddedCopy } from '../support/template.ts'
import { untilLine } from './processes.ts'

const s3 = requireService('TEST_S3_URL')
const postgres = requireService('POSTGRES_URL')
const directory = mkdtempSync(join(tmpdir(), 'soma-cli-s3-'))
const data = await embeddedCopy(join(directory, 'data'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** The real command line, with nothing of this process's configuration but the way to S3. */
function start(args: string[], env: Record<string, string> = {}) {
  const { PATH = '', HOME = '' } = process.env
  return spawn('node_modules/.bin/node', ['bin/soma.ts', ...args], {
    env: { PATH, HOME, SOMA_DATA_DIR: data, ...s3Environment(s3 as string), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}
async function ended(child: ReturnType<typeof start>): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  if (child.exitCode === null) await once(child, 'exit')
  return { code: child.exitCode, stdout, stderr }
}
const soma = (args: string[], env: Record<string, string> = {}) => ended(start(args, env))
// biome-ignore lint/suspicious/noExplicitAny: tests read answers of many shapes
async function json(args: string[], env: Record<string, string> = {}): Promise<any> {
  const { code, stdout, stderr } = await soma([...args, '--json'], env)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

describe.skipIf(!s3)(`backup and restore over S3 on the command line${s3 ? '' : ' (skipped: no TEST_S3_URL)'}`, () => {
  let client: S3Client
  let bucket: string
  let endpoint: string
  beforeAll(async () => {
    const used = useS3(s3 as string)
    client = used.client
    endpoint = used.endpoint
    bucket = await createBucket(client, true)
    await json(['store', 'Ada prefers tea', '--user', 'ada'])
  }, 60_000)

  test('a laptop’s memories go into a bucket, are verified there and brought back elsewhere; a place that is taken is refused', async () => {
    const place = `s3://${bucket}/laptop/monday`
    const report = await json(['backup', '--out', `${place}/`])
    expect(report).toMatchObject({ path: place, encrypted: false, tables: { memories: 1 } })
    expect(await json(['verify', place])).toMatchObject({ archive_id: report.archive_id, rows: report.rows })
    const env = { SOMA_DATA_DIR: await embeddedCopy(join(directory, 'elsewhere')) }
    expect(await json(['restore', place], env)).toMatchObject({ archive_id: report.archive_id, generation: 2 })
    expect((await json(['recall', 'tea', '--user', 'ada'], env)).results).toMatchObject([{ text: 'Ada prefers tea' }])
    expect(await soma(['backup', '--out', place])).toMatchObject({ code: 1, stderr: expect.stringContaining('There is something already where the backup is to be written') })
    expect(await soma(['restore', place], env)).toMatchObject({ code: 1, stderr: expect.stringContaining('The target is not empty') })
  }, 120_000)

  test('without --out it stands in BACKUP_BUCKET under BACKUP_PREFIX, encrypted with BACKUP_KEY', async () => {
    const env = { BACKUP_BUCKET: bucket, BACKUP_PREFIX: 'nightly/eu', BACKUP_KEY: randomBytes(32).toString('base64') }
    const { path } = await json(['backup'], env)
    expect(path).toMatch(new RegExp(`^s3://${bucket}/nightly/eu/\\d{8}T\\d{6}Z-[0-9a-f]{8}-[0-9a-f]{8}$`))
    expect(await json(['verify', path], env)).toMatchObject({ encrypted: true })
    expect(await soma(['verify', path])).toMatchObject({ code: 1, stderr: expect.stringMatching(/^The archive is encrypted with the key [0-9a-f]{16}/) })
  }, 120_000)

  test('Ctrl-C in the middle removes what was written', async () => {
    const way = await holdingWay(endpoint)
    const child = start(['backup', '--out', `s3://${bucket}/stopped`], { S3_ENDPOINT: way.endpoint })
    const end = ended(child)
    await Promise.race([way.held, end])
    child.kill('SIGINT')
    await untilLine(child, /^Stopping/)
    way.release()
    expect(await end).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('The backup was stopped before it was whole, and what it had written was removed.') })
    way.close()
    expect([await s3Store({ bucket, endpoint }).list('stopped'), await openUploads(client, bucket)]).toEqual([[], []])
  }, 60_000)

  test('what is wrong is one sentence, and no secret is in it', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`
    const cases: [string[], Record<string, string>, number, RegExp][] = [
      [['restore', `s3://${bucket}/nowhere`], {}, 3, /^There is nothing at s3:\/\/test-\w+\/nowhere\.\n$/],
      [['verify', 's3://nowhere/monday'], {}, 1, /^There is no bucket nowhere at 127\.0\.0\.1:\d+: look at BACKUP_BUCKET or the s3:\/\/ address, and at S3_ENDPOINT\.\n$/],
      [
        ['backup', '--out', `s3://${bucket}/x`],
        { AWS_SECRET_ACCESS_KEY: 'a wrong secret' },
        1,
        /cannot be used with these credentials \(SignatureDoesNotMatch\): look at AWS_ACCESS_KEY_ID/,
      ],
      [['backup', '--out', `s3://${bucket}/x`], { AWS_REGION: '' }, 1, /set AWS_REGION/],
      [['backup', '--out', `s3://${bucket}/x`], { S3_ENDPOINT: nobody }, 1, /cannot be reached \(ECONNREFUSED\): look at S3_ENDPOINT/],
      [['backup', '--out', `s3://${bucket}/x`], { S3_ENDPOINT: 'ftp://x' }, 1, /S3_ENDPOINT got "ftp:\/\/x": takes a URL that begins with http/],
      [['backup'], { BACKUP_BUCKET: 'No_Bucket' }, 1, /BACKUP_BUCKET got "No_Bucket": takes the name of a bucket/],
      [['backup', '--out', 's3://'], {}, 2, /^"s3:\/\/" names no bucket: it takes s3:\/\/bucket\/prefix/],
      [['backup', '--out', `s3://${bucket}/../x`], {}, 2, /is no key of the store/],
    ]
    for (const [args, env, code, stderr] of cases) {
      const answer = await soma(args, env)
      expect(answer).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(stderr) })
      expect(answer.stderr).not.toContain('a wrong secret')
    }
    expect(await s3Store({ bucket, endpoint }).list('x')).toEqual([])
  }, 120_000)

  test('doctor looks at the bucket, and names what is wrong', async () => {
    const checked = async (env: Record<string, string>) => {
      const { code, stdout } = await soma(['doctor', '--json'], { BACKUP_BUCKET: bucket, ...env })
      const [found] = (JSON.parse(stdout).checks as { name: string; ok: boolean; detail: string }[]).filter(({ name }) => name === 'backup bucket')
      return { code, ...found }
    }
    expect(await checked({})).toMatchObject({ code: 0, ok: true, detail: `The bucket ${bucket} is there and may be listed.` })
    expect(await checked({ BACKUP_BUCKET: 'nowhere' })).toMatchObject({ code: 1, ok: false, detail: expect.stringMatching(/There is no bucket nowhere .*BACKUP_BUCKET/) })
    expect(await checked({ AWS_SECRET_ACCESS_KEY: 'a wrong secret' })).toMatchObject({ code: 1, ok: false, detail: expect.stringMatching(/AWS_SECRET_ACCESS_KEY/) })
    expect(await checked({ S3_ENDPOINT: `http://127.0.0.1:${await freePort()}` })).toMatchObject({ code: 1, ok: false, detail: expect.stringMatching(/S3_ENDPOINT/) })
  }, 120_000)

  test.skipIf(!postgres)(
    'it grows out of the laptop: the archive in the bucket goes into a new Postgres',
    async () => {
      const place = `s3://${bucket}/grown`
      await json(['backup', '--out', place])
      const name = `soma_grown_${randomBytes(6).toString('hex')}`
      const url = Object.assign(new URL(postgres as string), { pathname: `/${name}` }).href
      await asAdmin(postgres as string, (admin) => admin.query(`create database ${name}`))
      try {
        expect(await json(['restore', place], { POSTGRES_URL: url })).toMatchObject({ generation: 2 })
        const { code, stdout } = await soma(['recall', 'tea', '--user', 'ada', '--json'], { POSTGRES_URL: url })
        expect([code, JSON.parse(stdout).results[0].text]).toEqual([0, 'Ada prefers tea'])
      } finally {
        await asAdmin(postgres as string, (admin) => admin.query(`drop database ${name} with (force)`))
      }
    },
    120_000,
  )
})
