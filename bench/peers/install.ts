import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { installOnce } from '../../local/services/cache.ts'
import { runCommand } from '../../local/services/command.ts'

/** How an adapter is started: none of what it needs is a dependency of the project. */
export type Program = { of: string; command: string; args: string[]; env: Record<string, string> }

const script = (name: string) => join(import.meta.dirname, name)
const ours = (of: string): Program => ({ of, command: process.execPath, args: [script('adapter.ts')], env: {} })
const psycopg = 'psycopg[binary,pool]==3.3.9'
const pg = { pg: '8.23.1' }

/** By name: what brings it onto this machine, at its first use. */
export const programs: Record<string, () => Promise<Program>> = {
  bare: async () => ours('node-postgres and pgvector, exact'),
  'bare-hnsw': async () => ours('the same with an HNSW index, which the planner may use'),
  'langgraph-js': () =>
    fromNpm({ '@langchain/langgraph-checkpoint-postgres': '1.0.5', '@langchain/langgraph-checkpoint': '1.2.2', '@langchain/core': '1.4.0', ...pg }, [
      '@langchain/langgraph-checkpoint-postgres/store',
    ]),
  'langgraph-py': () => fromPypi(['langgraph-checkpoint-postgres==3.2.0', psycopg]),
  'mem0-py': () => fromPypi(['mem0ai==2.2.1', psycopg]),
  'mem0-js': () => fromNpm({ mem0ai: '3.3.1', 'better-sqlite3': '12.11.1', ...pg }, ['mem0ai/oss']),
  soma: async () => ours('over HTTP, idempotency keys'),
}

/** The packages are exact, what they depend on is what their registry has. What is compiled fits this Node alone. */
async function fromNpm(dependencies: Record<string, string>, entries: string[]): Promise<Program> {
  const [[name, version] = ['', '']] = Object.entries(dependencies)
  const folder = await installOnce(`peer-${name.replace('/', '-')}-${version}-node${process.versions.modules}`, async (target) => {
    await writeFile(join(target, 'package.json'), JSON.stringify({ private: true, dependencies, allowScripts: { 'better-sqlite3': true } }))
    const headers = headersOfThisNode()
    const env = { ...process.env, ...(headers ? { npm_config_nodedir: headers } : {}) }
    await runCommand('npm', ['install', `--prefix=${target}`, '--no-audit', '--no-fund', '--legacy-peer-deps', '--loglevel=error'], { cwd: target, env })
    for (const entry of entries) await runCommand(process.execPath, ['--eval', `require('${entry}')`], { cwd: target })
  })
  return { ...ours(`npm ${name} ${version}`), env: { PEER_PACKAGES: folder } }
}

async function fromPypi([first = '', ...more]: string[]): Promise<Program> {
  const folder = await installOnce(`peer-${first.replace('==', '-')}`, async (target) => {
    await runCommand('python3', ['-m', 'pip', 'install', '--quiet', `--target=${target}`, first, ...more])
  })
  const env = { PYTHONPATH: [folder, process.env.PYTHONPATH].filter(Boolean).join(delimiter), PYTHONDONTWRITEBYTECODE: '1' }
  return { of: `PyPI ${first.replace('==', ' ')}`, command: 'python3', args: [script('adapter.py')], env }
}

/** Node as a package carries its headers; elsewhere node-gyp looks for them by itself. */
function headersOfThisNode(): string | undefined {
  const above = dirname(dirname(process.execPath))
  const named = `node-${process.platform}-${process.arch}`
  return [above, join(above, 'node_modules', named), join(above, '..', named)].find((folder) => existsSync(join(folder, 'include/node/node.h')))
}
