import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import { type ContentHash, contentHash } from '../../shared/transfer/index.ts'
import type { Connection } from './connect.ts'
import { exportedLines, type Options, queryOf } from './export.ts'
import { CommandError } from './failure.ts'
import { lookAt, nextLook } from './operation.ts'
import { remark } from './output.ts'
import { showProgress } from './progress.ts'

/** Begins an export as an operation, or goes on with one, and writes its parts as they come, each when its SHA-256 is right. */
export async function fetchExport(connection: Connection, options: Options, cursor: string | undefined, hash: ReturnType<typeof contentHash>): Promise<ContentHash> {
  const { client } = connection
  const { id } =
    options.operation === undefined ? await client.startExport({ ...queryOf(options), ...(cursor === undefined ? {} : { cursor }) }) : await client.operation(options.operation)
  remark(options, `The operation is ${id}; its parts can be fetched again by --operation ${id}.`)
  const out: Writable = options.out === undefined ? process.stdout : createWriteStream(options.out, { flags: 'a' })
  const progress = showProgress(options, { label: 'Exporting', unit: 'lines' })
  const fresh = contentHash()
  try {
    for (let got = 0; ; ) {
      // asked for anew before each part: its URL is young then
      const operation = await lookAt(connection, id)
      const part = operation.parts?.[got]
      if (part) {
        if (part.url === null) throw new CommandError('gone', `The parts of the operation ${id} were removed, or need a key with memory:history.`)
        const bytes = Buffer.from(await client.getPart(id, part))
        if (createHash('sha256').update(bytes).digest('hex') !== part.sha256) throw new CommandError('failed', `Part ${part.part} did not come as it was written: fetch it again.`)
        for await (const { value } of exportedLines([bytes] as unknown as AsyncIterable<Uint8Array>)) {
          hash.add(value)
          fresh.add(value)
        }
        if (!out.write(bytes)) await once(out, 'drain')
        got += 1
        progress.report(hash.lines())
      } else if (operation.state === 'succeeded') {
        const { hash: expected } = operation.result as { hash: string }
        if (fresh.digest().hash !== expected) throw new CommandError('failed', 'What came is not what was exported: fetch it again.')
        return hash.digest()
      } else await nextLook(connection)
    }
  } finally {
    progress.end()
    if (options.out !== undefined) await new Promise<void>((ended) => out.end(ended))
  }
}
