import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ImportReport } from '../shared/transfer/index.ts'
import { untilIndexed } from './corpus.ts'
import { count, megabytes, printTable } from './figures.ts'
import type { Product } from './product.ts'
import type { Options } from './run.ts'
import { textOf } from './texts.ts'

const users = 100
const watchMs = 250
/** Lines are made in pieces of this many, so that what is measured is not the client's own chunks. */
const piece = 200

/** Imports generated lines in one request, then exports them, and watches the server's memory meanwhile. */
export async function transfer(product: Product, { size, short, embedded }: Options): Promise<void> {
  const n = size ?? (short || embedded ? 20_000 : 1_000_000)
  const atRest = await product.rss()
  const run = randomBytes(4).toString('hex')
  const imported = await watched(product, () => importAll(product.url, run, n))
  if (imported.result.imported !== n) throw new Error(`Imported ${imported.result.imported} of ${n}: ${JSON.stringify(imported.result.errors[0])}`)
  const indexed = await watched(product, () => untilIndexed(product))
  const again = await watched(product, () => importAll(product.url, run, n))
  if (again.result.duplicate !== n) throw new Error(`The second import found ${again.result.duplicate} of ${n} there.`)
  const exported = await watched(product, () => exportAll(product.url, ''))
  if (exported.result.lines !== n) throw new Error(`Exported ${exported.result.lines} of ${n}.`)
  const withVectors = await watched(product, () => exportAll(product.url, '?vectors=true'))
  const row = (name: string, { seconds, peak }: { seconds: number; peak: number }, bytes?: number) => [
    name,
    count(n / seconds),
    bytes === undefined ? '' : `${(bytes / 1e6 / seconds).toFixed(1)} MB`,
    `${seconds.toFixed(1)} s`,
    megabytes(peak),
  ]
  printTable(
    `${count(n)} memories of ${users} users as NDJSON, one request each (server at rest: ${megabytes(atRest)})`,
    ['', 'lines a second', 'a second', 'in all', 'peak memory of the server'],
    [
      row('import', imported),
      row('until all are indexed, after that', indexed),
      row('import again: all are there', again),
      row('export', exported, exported.result.bytes),
      row('export with vectors', withVectors, withVectors.result.bytes),
    ],
  )
}

async function watched<T>(product: Product, work: () => Promise<T>): Promise<{ result: T; seconds: number; peak: number }> {
  let peak = 0
  let running = true
  const watching = (async () => {
    while (running) {
      peak = Math.max(peak, await product.rss())
      await sleep(watchMs)
    }
  })()
  const started = performance.now()
  try {
    const result = await work()
    return { result, seconds: (performance.now() - started) / 1000, peak }
  } finally {
    running = false
    await watching
  }
}

function lineOf(run: string, i: number): string {
  const at = new Date(Date.UTC(2024, 0, 1) + i * 1_000).toISOString()
  const id = `${run}-0000-7000-8000-${i.toString(16).padStart(12, '0')}`
  const memory = {
    id,
    text: textOf(i),
    user_id: `user-${i % users}`,
    session_id: `session-${Math.floor(i / 200)}`,
    metadata: { source: 'bench', turn: i },
    created_at: at,
    updated_at: at,
  }
  return `${JSON.stringify(memory)}\n`
}

/** One request whose body is made as it is sent, no faster than the server reads. */
function importAll(url: string, run: string, n: number): Promise<ImportReport> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${url}/v1/import`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () =>
        response.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(`POST /v1/import answered ${response.statusCode}: ${text.slice(0, 500)}`)),
      )
    })
    outgoing.on('error', reject)
    let next = 0
    const send = (): void => {
      while (next < n) {
        const end = Math.min(n, next + piece)
        let text = ''
        for (; next < end; next++) text += lineOf(run, next)
        if (!outgoing.write(text)) return void outgoing.once('drain', send)
      }
      outgoing.end()
    }
    send()
  })
}

function exportAll(url: string, query: string): Promise<{ lines: number; bytes: number }> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/v1/export${query}`, (response) => {
      if (response.statusCode !== 200) return reject(new Error(`GET /v1/export answered ${response.statusCode}.`))
      let lines = 0
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.byteLength
        for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines += 1
      })
      response.on('error', reject)
      response.on('end', () => resolve({ lines, bytes }))
    })
    asked.on('error', reject)
    asked.end()
  })
}
