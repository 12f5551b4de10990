import { exchange, functionOf } from '../function-text.ts'
import { sql as wordsByTime } from './0017-words-by-time.ts'

/**
 * A coord is looked up in the index of coords on tables without statistics too. As `coord = …` it was planned there as a read of the whole namespace, as three
 * equal columns seem to find no less than two and that index is a page flatter: bulks of 500 new coords took up to 5 s each, beside 9,000 memories, until the
 * first autovacuum. As a range in the index' own order no other index serves as well.
 */
const at = (row: string, coord: string) => `${row}.coord >= ${coord} and ${row}.coord <= ${coord}`

const store = exchange(
  exchange(
    functionOf(wordsByTime, 'store_memories'),
    'o.namespace_key = s.scope_key and o.coord = x.coord limit 1',
    `o.namespace_key = s.scope_key and ${at('o', 'x.coord')} order by o.coord limit 1`,
  ),
  `select o.memory_key, o.id, o.version, o.created_at from memories o
        where o.tenant_id = p_tenant and x.target_key is null and o.namespace_key = n.scope_key and o.coord = x.coord`,
  `(select o.memory_key, o.id, o.version, o.created_at from memories o
        where o.tenant_id = p_tenant and x.target_key is null and o.namespace_key = n.scope_key and ${at('o', 'x.coord')} order by o.coord limit 1)`,
)

const importMemories = exchange(
  functionOf(wordsByTime, 'import_memories'),
  'exists (select from scopes s join memories c on c.tenant_id = p_tenant and c.namespace_key = s.scope_key and c.coord = x.coord\n        where s.tenant_id = p_tenant and s.namespace = x.namespace and s.user_id is null)',
  `exists (select from scopes s cross join lateral (select from memories c where c.tenant_id = p_tenant and c.namespace_key = s.scope_key and ${at('c', 'x.coord')} order by c.coord limit 1) c
        where s.tenant_id = p_tenant and s.namespace = x.namespace and s.user_id is null)`,
)

/**
 * A recall reads its tenant's own part of each table by name (shared/db/plans.ts): under the same policy as the table, for reading alone. Whatever writes goes
 * through the table.
 */
export const sql = /* sql */ `
set local role soma_owner;

do $parts$
declare
  name text;
  part integer;
begin
  foreach name in array array['memories', 'memory_versions', 'postings', 'closed_postings', 'vectors', 'closed_vectors'] loop
    for part in 0..7 loop
      execute format('create policy own_tenant on %I for select to soma_app using (%s)', name || '_p' || part, $$tenant_id = nullif(current_setting('soma.tenant', true), '')::integer$$);
      execute format('grant select on %I to soma_app', name || '_p' || part);
    end loop;
  end loop;
end $parts$;

-- a user's closed words stand together: by term first, a look back read those of all users of the namespace that begin alike (380 pages where these are 34)
create index closed_postings_user on closed_postings (tenant_id, namespace_key, user_key, term, closed_at) include (memory_key, recorded_at, version, tf, len) where user_key is not null;

${store}

${importMemories}
`
