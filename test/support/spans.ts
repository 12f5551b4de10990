import { setTimeout as sleep } from 'node:timers/promises'
import { type RunningCollector, startCollector } from '../../local/services/collector.ts'

export type SeenSpan = {
  traceId: string
  spanId: string
  parentSpanId: string
  name: string
  kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer'
  attributes: Record<string, string | number | boolean>
  links: string[]
  failed: boolean
  service: string
}
export type Collector = RunningCollector & {
  spans(): Promise<SeenSpan[]>
  /** The spans, once they are as many of a trace, or hold what is looked for. */
  until(enough: (spans: SeenSpan[]) => boolean): Promise<SeenSpan[]>
}

const kinds = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const
type Value = { stringValue?: string; intValue?: string; boolValue?: boolean; doubleValue?: number }
type Attribute = { key: string; value: Value }
type Exported = { resource: { attributes: Attribute[] }; scopeSpans: { spans: Span[] }[] }
type Span = {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind?: number
  attributes?: Attribute[]
  links?: { traceId: string }[]
  status?: { code?: number }
}

/** A collector of the test's own, and what it was sent, read. */
export async function openCollector(program: string): Promise<Collector> {
  const collector = await startCollector(program)
  // a line that is being written has no end yet
  const spans = async () => (await collector.received()).split('\n').slice(0, -1).flatMap(readExport)
  return {
    ...collector,
    spans,
    async until(enough) {
      for (;;) {
        const seen = await spans()
        if (enough(seen)) return seen
        await sleep(50)
      }
    },
  }
}

function readExport(line: string): SeenSpan[] {
  const { resourceSpans } = JSON.parse(line) as { resourceSpans: Exported[] }
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(attributesOf(resource.attributes)['service.name'])
    return scopeSpans.flatMap(({ spans }) =>
      spans.map(({ traceId, spanId, parentSpanId = '', name, kind = 0, attributes, links = [], status }) => ({
        traceId,
        spanId,
        parentSpanId,
        name,
        kind: kinds[kind] ?? 'internal',
        attributes: attributesOf(attributes),
        links: links.map((link) => link.traceId),
        failed: status?.code === 2,
        service,
      })),
    )
  })
}

function attributesOf(attributes: Attribute[] = []): SeenSpan['attributes'] {
  const plain = ({ stringValue, intValue, boolValue, doubleValue }: Value) => stringValue ?? boolValue ?? doubleValue ?? Number(intValue)
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]))
}

/** A caller's header: a new trace that is to be kept, unless told otherwise. */
export function newTraceparent(flags = '01'): { traceparent: string; traceId: string; spanId: string } {
  const [traceId, spanId] = [16, 8].map((bytes) => Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('hex')) as [string, string]
  return { traceparent: `00-${traceId}-${spanId}-${flags}`, traceId, spanId }
}
