import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { installK6 } from '../local/services/k6.ts'
import type { Product } from './product.ts'
import type { Options } from './run.ts'

/** k6 exits with it when a threshold is crossed. */
const crossed = 99

/** bench/k6/load.js by the real k6, held to the promises; summary.json and summary.txt stay in --out. @throws Error when one is not kept */
export async function k6({ url }: Product, { short, out }: Options, cleanUp: AsyncDisposableStack): Promise<void> {
  const program = await installK6()
  const folder = out === undefined ? await mkdtemp(join(tmpdir(), 'soma-k6-')) : resolve(out)
  await mkdir(folder, { recursive: true })
  const { PATH, HOME } = process.env
  // it asks no service of its maker for anything, and tells it nothing; its own API stays closed
  const quiet = { K6_NO_USAGE_REPORT: 'true', K6_AUTO_EXTENSION_RESOLUTION: 'false' }
  const load = { SOMA_URL: url, OUT: folder, DURATION: short ? '15s' : '2m', RATE: short ? '10' : '40' }
  const args = ['run', '--quiet', '--no-color', '--address', '', join(import.meta.dirname, 'k6/load.js')]
  const child = spawn(program, args, { env: { PATH, HOME, ...quiet, ...load }, stdio: ['ignore', 'inherit', 'inherit'] })
  cleanUp.defer(() => void child.kill('SIGKILL'))
  const [code] = await once(child, 'exit')
  console.log(`\nThe report: ${folder}`)
  if (code === crossed) throw new Error('A promise was not kept: see the lines with FAIL.')
  if (code !== 0) throw new Error(`k6 ended with ${code}.`)
}
