#!/usr/bin/env node
/** The command line. `npx soma` runs it on the Node of node_modules; an older Node cannot read TypeScript at all. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(`Soma needs Node 22.18 or newer and this is ${process.version}: run it as \`npx soma\`, which brings its own.`)
  process.exit(1)
}
const { main } = await import('../local/cli/index.ts')
await main(process.argv.slice(2))

export {}
