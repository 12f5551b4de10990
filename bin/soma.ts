#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

/** The command line. `npx soma` runs it on the Node of node_modules; a Node that cannot read TypeScript does not get as far as this. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(`Soma needs Node 22.18 or newer and this is ${process.version}: run it as \`npx soma\`, which brings its own.`)
  process.exit(1)
}
// measured: 0.45 s of CPU before a command begins without it, 0.18 s with it; where the directory cannot be written it does nothing
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/soma', import.meta.url)))
const { keepHeapSmall } = await import('../local/heap.ts')
keepHeapSmall()
const { main } = await import('../local/cli/index.ts')
await main(process.argv.slice(2))
