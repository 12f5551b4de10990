import { count, median, ms, p95, printTable, timed } from './figures.ts'
import type { Http } from './http.ts'
import type { Product } from './product.ts'
import type { Options } from './run.ts'

type Graph = { nodes: number; links: number; hubLinks: number; ids: string[]; hub: string }
type Answer = { items?: unknown[]; path?: unknown[] }

/** Neighbours and cheapest paths over HTTP on a graph of random links and one hub. */
export async function graph(product: Product, { short, embedded }: Options): Promise<void> {
  const size = short || embedded ? { nodes: 10_000, links: 40_000, hubLinks: 10_000 } : { nodes: 100_000, links: 400_000, hubLinks: 100_000 }
  const made = await build(product, size)
  const n = short ? 50 : 300
  const rows: string[][] = []
  const measure = async (name: string, path: (k: number) => string) => {
    for (let k = 0; k < 20; k++) await product.http.get(path(n + k))
    const { times, found } = await ask(product.http, n, path)
    rows.push([name, String(n), ms(median(times)), ms(p95(times)), ms(Math.max(...times)), found.toFixed(1)])
  }
  const one = (k: number) => made.ids[(k * 7_919 + 17) % made.ids.length] as string
  const other = (k: number) => made.ids[(k * 104_729 + 4_242) % made.ids.length] as string
  for (const hops of [1, 2, 3]) await measure(`neighbours of a memory, hops=${hops}, limit=50`, (k) => `/v1/memories/${one(k)}/neighbors?hops=${hops}`)
  for (const hops of [1, 2, 3]) await measure(`neighbours of the hub, hops=${hops}, limit=50`, () => `/v1/memories/${made.hub}/neighbors?hops=${hops}`)
  await measure('neighbours of the hub, hops=1, limit=500', () => `/v1/memories/${made.hub}/neighbors?limit=500`)
  await measure('neighbours of a memory, hops=3, limit=500', (k) => `/v1/memories/${one(k)}/neighbors?hops=3&limit=500`)
  await measure('neighbours of the hub, of a type it has not', () => `/v1/memories/${made.hub}/neighbors?type=none`)
  for (const hops of [3, 6]) await measure(`path between two memories, max_hops=${hops}`, (k) => `/v1/paths?from=${one(k)}&to=${other(k)}&max_hops=${hops}`)
  await measure('path between two memories, past the hub (type=related)', (k) => `/v1/paths?from=${one(k)}&to=${other(k)}&type=related`)
  await measure('path from the hub to a memory', (k) => `/v1/paths?from=${made.hub}&to=${other(k)}`)
  await measure('path from a memory to the hub', (k) => `/v1/paths?from=${one(k)}&to=${made.hub}`)
  printTable(
    `${count(made.nodes)} memories, ${count(made.links)} links, of which ${count(made.hubLinks)} at one hub (half lead to it, half from it), weights 0.1 to 10, over HTTP, one after the other, warm`,
    ['', 'n', 'p50', 'p95', 'longest', 'memories answered'],
    rows,
  )
}

async function ask(http: Http, n: number, path: (k: number) => string): Promise<{ times: number[]; found: number }> {
  const times: number[] = []
  let found = 0
  for (let k = 0; k < n; k++) {
    let answer: Answer = {}
    times.push(await timed(async () => (answer = await http.get<Answer>(path(k)))))
    found += (answer.items ?? answer.path ?? []).length
  }
  return { times, found: found / n }
}

/** Filled set by set into the tenant "default": half a million requests would measure something else. */
async function build(product: Product, { nodes, links, hubLinks }: { nodes: number; links: number; hubLinks: number }): Promise<Graph> {
  const columns = 'tenant_id, id, from_key, to_key, type, weight, version, created_at, recorded_at'
  const link = (from: string, to: string, type: string) => `select 1, gen_random_uuid(), ${from}, ${to}, '${type}', 0.1 + 9.9 * random(), 1, now(), now()`
  await product.sql(`do $fill$
    declare first bigint;
    begin
      perform setseed(0.42);
      insert into memories (tenant_id, memory_key, id, version, namespace_key, tokenizer, term_count, bytes, importance, created_at, recorded_at, created_xid, namespace, memory_type, text)
        select 1, nextval('memory_key_seq'), gen_random_uuid(), 1, 1, 1, 30, 200, 1, now(), now(), pg_current_xact_id(), 'default', 'episodic', repeat('a memory of the graph ', 9) || g
        from generate_series(1, ${nodes}) g;
      select min(memory_key) into first from memories where tenant_id = 1;
      insert into links (${columns})
        ${link(`first + floor(random() * ${nodes})::bigint`, `first + floor(random() * ${nodes})::bigint`, 'related')} from generate_series(1, ${links}) g on conflict do nothing;
      delete from links where tenant_id = 1 and from_key = to_key;
      insert into links (${columns}) ${link('first', 'first + g * 2 - 1', 'hub')} from generate_series(1, ${hubLinks / 2}) g where g * 2 - 1 < ${nodes} on conflict do nothing;
      insert into links (${columns}) ${link('first + g * 2', 'first', 'hub')} from generate_series(1, ${hubLinks / 2}) g where g * 2 < ${nodes} on conflict do nothing;
    end $fill$`)
  for (const table of ['links', 'memories']) await product.sql(`vacuum (analyze) ${table}`)
  const ids = (await product.sql('select id from memories where tenant_id = 1 order by memory_key')).map((row) => String(row.id))
  const [counts] = await product.sql(`select count(*) as links, count(*) filter (where type = 'hub') as hub from links where tenant_id = 1`)
  return { nodes, links: Number(counts?.links), hubLinks: Number(counts?.hub), ids: ids.slice(1), hub: ids[0] as string }
}
