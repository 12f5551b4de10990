import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { allocatedBytes, busyShare, byPlace, type Spender, topAllocators, topFunctions } from '../profile/fold.ts'
import { round } from '../profile/load.ts'
import { type Recording, record, type Server } from '../profile/record.ts'
import { CommandError } from './failure.ts'
import { configOf, type Globals, integer, refuseUrl } from './globals.ts'
import { interruptible } from './interruptible.ts'
import { answer, remark, table } from './output.ts'

const examples = `
It starts the product in a process of its own on an empty database of its own, which it removes: the embedded engine in a temporary directory, and with POSTGRES_URL a
database beside the configured one. That one takes --yes, as the server there gets load, and a login (POSTGRES_MIGRATION_URL) that may make a database and the extension
vector in it. Nothing of yours is read or written, no broker, bucket, Redis or model is spoken to: vectors are those of the embedder "hash". It exits 1 when an operation fails.

Examples:
  $ npx soma profile
  $ npx soma profile --seconds 60 --out profile    # open profile/soma.cpuprofile in Chrome's DevTools, Performance; soma.heapprofile in Memory
  $ POSTGRES_URL=postgres://postgres@localhost/soma npx soma profile --yes --json`

const shown = 20
type Options = { seconds: number; out?: string; yes?: true }

export function addProfile(program: Command): void {
  program
    .command('profile')
    .description('store and recall under V8’s profilers, and say where CPU time and memory go; on a database of its own')
    .option('--seconds <number>', 'how long, 5 to 300', seconds, 20)
    .option('--out <directory>', 'keep soma.cpuprofile and soma.heapprofile there')
    .option('--yes', 'with POSTGRES_URL: make a database on that server, put load on it, and drop it')
    .addHelpText('after', examples)
    .action(async (_options, command: Command) => {
      const { seconds: howLong, out, yes, ...globals } = command.optsWithGlobals<Globals & Options>()
      refuseUrl(globals, 'profile')
      const server = await serverOf(globals, yes)
      if (out !== undefined) await mkdir(out, { recursive: true })
      const files = out === undefined ? undefined : { cpuFile: join(out, 'soma.cpuprofile'), heapFile: join(out, 'soma.heapprofile') }
      remark(globals, `Storing and recalling for ${howLong} s on ${server ? 'a PostgreSQL database' : 'an embedded database'} of its own …`)
      const recording = await interruptible((signal) => record(howLong, server, files, signal))
      const report = { engine: server ? 'postgres' : 'embedded', ...reportOf(recording), ...(files ? { files: Object.values(files) } : {}) }
      answer(globals, report, textOf(report))
      if (report.operations.some(({ failed }) => failed > 0)) process.exitCode = 1
    })
}

async function serverOf(globals: Globals, yes: true | undefined): Promise<Server | undefined> {
  const { POSTGRES_URL: url, POSTGRES_WORKER_URL: workerUrl, POSTGRES_MIGRATION_URL: migrationUrl } = await configOf(globals)
  if (!url) return undefined
  if (!yes)
    throw new CommandError(
      'usage',
      'POSTGRES_URL is set: with --yes a database of its own is made on that server, loaded for so long, and dropped. Without POSTGRES_URL the embedded engine is profiled.',
    )
  return { url, workerUrl, migrationUrl }
}

type Report = ReturnType<typeof reportOf> & { engine: string; files?: string[] }

/** Shares are of the CPU time that was not idle, and of the bytes allocated: each sums to 1. */
function reportOf({ load, memories, cpu, allocations, heap }: Recording) {
  const places = byPlace(cpu)
  const micros = [...places.values()].reduce((sum, one) => sum + one, 0)
  const bytes = allocatedBytes(allocations)
  const shared = (top: Spender[], all: number) => top.map(({ name, at, self }) => ({ name, at, self, share: self / all }))
  return {
    ...load,
    memories,
    cpu: {
      busy: round(busyShare(cpu), 4),
      places: [...places].map(([place, self]) => ({ place, self_ms: round(self / 1000), share: self / micros })),
      functions: shared(topFunctions(cpu, shown), micros).map(({ self, ...one }) => ({ ...one, self_ms: round(self / 1000) })),
    },
    heap: {
      used_before_gc_bytes: heap.usedBefore,
      used_after_gc_bytes: heap.usedAfter,
      allocated_bytes: bytes,
      allocators: shared(topAllocators(allocations, shown), bytes).map(({ self, ...one }) => ({ ...one, bytes: self })),
    },
    event_loop_delay_p99_ms: round(heap.delayP99Ms),
  }
}

function textOf({ engine, seconds: took, clients, operations, memories, cpu, heap, event_loop_delay_p99_ms, files, failure }: Report): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
  const ms = (value: number | null) => (value === null ? '-' : `${value.toFixed(1)} ms`)
  const sent = operations.reduce((sum, one) => sum + one.sent, 0)
  const parts = [
    `${sent} operations by ${clients} clients in ${took} s on ${engine === 'embedded' ? 'the embedded engine' : 'PostgreSQL'}; ${memories} memories at the end.`,
    table([
      ['OPERATION', 'SENT', 'FAILED', 'A SECOND', 'P50', 'P95'],
      ...operations.map((one) => [one.name, String(one.sent), String(one.failed), one.per_second.toFixed(1), ms(one.p50_ms), ms(one.p95_ms)]),
    ]),
    `CPU: the server's thread was busy for ${percent(cpu.busy)} of the time${engine === 'embedded' ? ' (the embedded engine has a thread of its own, which is not in here)' : ''}; of that`,
    table([['SHARE', 'SELF', 'WHERE'], ...cpu.places.map(({ place, self_ms, share }) => [percent(share), ms(self_ms), place])]),
    table([['SHARE', 'SELF', 'FUNCTION', 'PLACE'], ...cpu.functions.map(({ name, at, self_ms, share }) => [percent(share), ms(self_ms), name, at])]),
    `Heap: ${mib(heap.used_before_gc_bytes)} in use at the end, ${mib(heap.used_after_gc_bytes)} after a collection of garbage; ${mib(heap.allocated_bytes)} allocated meanwhile, by`,
    table([['SHARE', 'BYTES', 'FUNCTION', 'PLACE'], ...heap.allocators.map(({ name, at, bytes, share }) => [percent(share), mib(bytes), name, at])]),
    `Event loop: 99 % of its rounds began within ${ms(event_loop_delay_p99_ms)} of when they should.`,
  ]
  if (files) parts.push(`For Chrome's DevTools: ${files.join(' and ')}`)
  if (failure) parts.push(`The first failure: ${failure}`)
  return parts.join('\n\n')
}

function seconds(text: string): number {
  const number = integer(text)
  if (number < 5 || number > 300) throw new InvalidArgumentError('It takes 5 to 300 seconds.')
  return number
}
