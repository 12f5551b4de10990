import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { manifest } from '../../functions/manifest.ts'
import { entriesExist, synth } from './synth.ts'

const budget = 5 * 1024 * 1024
const dummy = {
  STAGE: 'dev',
  AWS_REGION: 'eu-west-1',
  POSTGRES_URL: 'postgres://nobody:none@127.0.0.1:1/none',
  POSTGRES_WORKER_URL: 'postgres://nobody:none@127.0.0.1:1/none',
  POSTGRES_MIGRATION_URL: 'postgres://nobody:none@127.0.0.1:1/none',
  SIGNING_KEY: 'a signing key for the stack test',
  SOMA_API_TOKEN: 'a token for the stack test',
  EMBEDDING_API_KEY: 'a key for the stack test',
}

describe.skipIf(!entriesExist)('bundled by esbuild', () => {
  test.each(manifest)('$name fits its size budget and loads where there is no node_modules', ({ name }) => {
    const { properties, outdir } = synth({ bundle: true })
    const asset = join(outdir, `asset.${properties(name).Code.S3Key.replace(/\.zip$/, '')}`)
    const zipped = readdirSync(asset).reduce((sum, file) => sum + gzipSync(readFileSync(join(asset, file))).length, 0)
    expect(zipped).toBeLessThan(budget)
    // outdir is under the system's temporary folder, so an import left outside of the bundle fails here as it would in Lambda.
    const script = `const { handler } = await import(${JSON.stringify(pathToFileURL(join(asset, 'index.mjs')).href)}); console.log(typeof handler); process.exit(0)`
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: outdir, env: dummy, encoding: 'utf8', timeout: 20_000 })
    expect(printed.trim().split('\n').at(-1)).toBe('function')
  })
})
