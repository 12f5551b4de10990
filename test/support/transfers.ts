import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { createRunOperations } from '../../functions/run-operations/handler.ts'
import type { BlobStore } from '../../shared/blob/index.ts'
import { createBreakers } from '../../shared/breaker/index.ts'
import type { Database } from '../../shared/db/index.ts'
import { hashEmbedder } from '../../shared/embed/index.ts'
import { transferDeps } from '../../shared/host/index.ts'
import { type TransferLimits, transferLimits } from '../../shared/transfer/index.ts'
import { modelsReader } from '../../shared/vector/index.ts'
import { adminSql } from '../db/admin.ts'
import { type Answer, type Caller, describeEngines, type Product } from './engines.ts'
import { createBucket, s3Environment, useS3 } from './s3.ts'
import { requireService } from './services.ts'

const s3 = requireService('TEST_S3_URL')

/** What a product takes that keeps objects in files: a directory, gone with this process. */
export async function inFiles(): Promise<{ SOMA_DATA_DIR: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'soma-transfers-'))
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  return { SOMA_DATA_DIR: directory }
}

/** The same suite on each engine, with the objects in files and in a bucket. */
export function describeStores(name: string, suite: (product: () => Product, kind: 'files' | 'a bucket') => void): void {
  describeEngines(`${name}, in files,`, (product) => suite(product, 'files'), undefined, inFiles)
  describe.skipIf(!s3)(`in a bucket${s3 ? '' : ' (skipped: no TEST_S3_URL)'}`, () => {
    const bucket = async () => ({ BACKUP_BUCKET: await createBucket(useS3(s3 as string).client), S3_ENDPOINT: s3Environment(s3 as string).S3_ENDPOINT })
    describeEngines(`${name}, in a bucket,`, (product) => suite(product, 'a bucket'), undefined, bucket)
  })
}

export const storeOf = ({ local: { config } }: Product): Promise<BlobStore> =>
  transferDeps({ config, breakers: createBreakers({ failures: 5, openMs: 10_000 }, () => {}) }).transfers()

export type Run = { limits?: Partial<TransferLimits>; store?: BlobStore; worker?: Database; beforeStoring?: () => Promise<void>; signal?: AbortSignal }
/** The job over the product's databases, with what a test puts in its way. */
export async function runOperations(product: Product, { limits = {}, store, worker = product.local.db.worker, beforeStoring, signal = new AbortController().signal }: Run = {}) {
  const objects = store ?? (await storeOf(product))
  const models = modelsReader(product.local.db.worker, hashEmbedder(384))
  const run = createRunOperations({
    worker,
    transfers: async () => objects,
    models: async () => {
      await beforeStoring?.()
      return models()
    },
    limits: { ...transferLimits, ...limits },
    wakeDrain() {},
    wakesSent: async () => {},
  })
  return run(signal)
}

/** As if the lease of whoever died had run out. */
export const leaseOver = (product: Product, caller: Caller) =>
  adminSql(product, `update operations set lease_expires_at = now() - interval '1 second' where tenant_id = $1::integer and lease_expires_at is not null`, [caller.tenantId])

export const operationOf = async (product: Product, caller: Caller, id: string) => (await product.call(caller, 'GET', `/v1/operations/${id}`)).body

/** Begins an export; the job is the test's to run. */
export async function started(product: Product, caller: Caller, query: object = { all_namespaces: true, versions: true, links: true }): Promise<string> {
  const { status, body, text } = await product.call(caller, 'POST', '/v1/exports', query)
  if (status !== 202) throw new Error(text)
  return body.id
}

type Part = { part: number; bytes: number; sha256: string; lines: number; method: string; url: string }
/** What a URL of a part gives, or takes: of the store itself, or a path of the API. */
export async function byUrl(product: Product, caller: Caller, { url, method }: Pick<Part, 'url' | 'method'>, body?: string): Promise<{ status: number; text: string }> {
  const content = body === undefined ? {} : { body }
  if (url.startsWith('/')) return product.call(caller, method, url, body, body === undefined ? {} : { 'content-type': 'application/x-ndjson' })
  const answer = await fetch(url, { method, ...content })
  return { status: answer.status, text: await answer.text() }
}

/** The parts of an ended export, fetched. */
export async function fetched(product: Product, caller: Caller, id: string): Promise<{ parts: Part[]; texts: string[] }> {
  const { parts } = (await operationOf(product, caller, id)) as { parts: Part[] }
  const texts: string[] = []
  for (const part of parts) {
    const { status, text } = await byUrl(product, caller, part)
    if (status !== 200) throw new Error(`${status} ${text}`)
    texts.push(text)
  }
  return { parts, texts }
}

/** Announces these parts, sends them and starts the import. */
export async function uploaded(product: Product, caller: Caller, texts: string[]): Promise<string> {
  const { status, body, text } = await product.call(caller, 'POST', '/v1/imports', { parts: texts.map((one) => ({ bytes: Buffer.byteLength(one) })) })
  if (status !== 202) throw new Error(text)
  for (const [index, part] of (body.parts as Part[]).entries()) {
    const sent = await byUrl(product, caller, part, texts[index])
    if (sent.status >= 300) throw new Error(`${sent.status} ${sent.text}`)
  }
  const begun: Answer = await product.call(caller, 'POST', `/v1/imports/${body.id}/start`)
  if (begun.status !== 202) throw new Error(begun.text)
  return body.id
}

/** A store that stops at the n-th object, before or after it is written, until it is let go on: what a run that was killed there leaves behind, and a run that was only slow. */
export function stopping(store: BlobStore, at: number, where: 'before' | 'after') {
  const reached = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  let puts = 0
  const stopped: BlobStore = {
    ...store,
    async put(key, content, options) {
      const stops = ++puts === at
      if (stops && where === 'before') {
        reached.resolve()
        await go.promise
      }
      await store.put(key, content, options)
      if (stops && where === 'after') {
        reached.resolve()
        await go.promise
      }
    },
  }
  return { store: stopped, reached: reached.promise, go: go.resolve }
}
