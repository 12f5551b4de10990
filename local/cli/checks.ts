import { createClient } from '../../shared/client/index.ts'
import type { Config } from '../../shared/config/index.ts'
import { createEmbedder, createNextEmbedder, type Embedder } from '../../shared/embed/index.ts'
import type { Globals } from './globals.ts'

/** `detail` is a sentence; when the check failed, it says what to do. */
export type Check = { name: string; ok: boolean; detail: string }

/** Runs a check: what `work` answers when it is fine; when it throws, the reason and the remedy. */
export async function check(name: string, work: () => string | Promise<string>, remedy = ''): Promise<Check> {
  try {
    return { name, ok: true, detail: await work() }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { name, ok: false, detail: [/[.!?]$/.test(reason) ? reason : `${reason}.`, remedy].filter(Boolean).join(' ') }
  }
}

export function nodeCheck(): Check {
  const [major = 0] = process.versions.node.split('.').map(Number)
  // bin/soma.ts refuses what is too old; what is in between runs, but nobody tests it
  return major >= 24
    ? { name: 'node', ok: true, detail: `Node ${process.versions.node}.` }
    : { name: 'node', ok: false, detail: `Node ${process.versions.node} is older than what this is tested with (24): run it as \`npx soma\`, which brings its own.` }
}

/** The embedder, and the next one where there is one. */
export async function embedderChecks(config: Config): Promise<Check[]> {
  const checkOf = (name: string, embedder: Embedder, remedy: string) => {
    const embed = async () => {
      const [vector] = await embedder.embed(['Is the embedder there?'])
      if (vector?.length !== embedder.dimension) throw new Error(`The embedder answered ${vector?.length ?? 0} numbers instead of ${embedder.dimension}`)
      return `${embedder.model} answers ${embedder.dimension} numbers a text.`
    }
    return check(name, embed, remedy)
  }
  const next = createNextEmbedder(config)
  return [
    await checkOf(
      'embedder',
      createEmbedder(config),
      'Look at EMBEDDER, EMBEDDING_URL (bedrock: AWS_REGION), EMBEDDING_MODEL, EMBEDDING_DIM and EMBEDDING_API_KEY; stores work meanwhile, recall is by words only.',
    ),
    ...(next
      ? [
          await checkOf(
            'next embedder',
            next,
            'Look at EMBEDDER_NEXT and its EMBEDDING_NEXT_URL, EMBEDDING_NEXT_MODEL, EMBEDDING_NEXT_DIM and EMBEDDING_NEXT_API_KEY; unless recall searches that model already, nothing else waits for it.',
          ),
        ]
      : []),
  ]
}

/** What a running server says about itself. */
export async function serverChecks(url: string, { token }: Globals): Promise<Check[]> {
  try {
    const health = await createClient({ url, token, timeoutMs: 10_000 }).health()
    const components = Object.entries(health.components).map(([name, { ok, latency_ms, detail }]): Check => {
      const reason = detail ?? 'does not answer'
      return { name: `server: ${name}`, ok, detail: ok ? `Answers in ${latency_ms} ms.` : `${reason}${/[.!?]$/.test(reason) ? '' : '.'} Look at the server's log.` }
    })
    return [{ name: 'server', ok: health.ok, detail: `The server at ${url} is ${health.status}.` }, ...components]
  } catch (error) {
    return [{ name: 'server', ok: false, detail: error instanceof Error ? error.message : String(error) }]
  }
}
