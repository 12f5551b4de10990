import type { Sql } from '../db/index.ts'

/** What a schema is made of, a line each: `kind name: definition`. Owners and grants are part of it; what depends on data (HNSW graphs, positions of sequences) is not. */
const lines: Record<string, string> = {
  table: `select c.relname, concat_ws(' ', c.relkind, pg_get_userbyid(c.relowner), case when c.relrowsecurity then 'secured' end, case when c.relforcerowsecurity then 'forced' end, c.reloptions::text,
      pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid), c.relpersistence)
    from pg_class c where c.relnamespace = $1::oid and c.relkind in ('r', 'p', 'v', 'm', 'S')`,
  grant: `select c.relname, string_agg(concat_ws(' ', case when g.grantee = 0 then 'public' else pg_get_userbyid(g.grantee) end, g.privilege_type, g.is_grantable), ', ' order by g.grantee::regrole::text, g.privilege_type)
    from pg_class c cross join lateral aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) g where c.relnamespace = $1::oid and c.relkind in ('r', 'p', 'v', 'm', 'S') group by c.relname`,
  column: `select c.relname || '.' || a.attname, concat_ws(' ', a.attnum, format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' end, a.attidentity, a.attgenerated, a.attstorage,
      (select l.collname from pg_collation l where l.oid = a.attcollation), pg_get_expr(d.adbin, d.adrelid), a.attacl::text)
    from pg_class c join pg_attribute a on a.attrelid = c.oid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = $1::oid and c.relkind in ('r', 'p', 'v', 'm') and a.attnum > 0 and not a.attisdropped`,
  constraint: `select c.relname || '.' || o.conname, concat_ws(' ', o.convalidated, pg_get_constraintdef(o.oid)) from pg_constraint o join pg_class c on c.oid = o.conrelid where c.relnamespace = $1::oid`,
  index: `select c.relname, concat_ws(' ', i.indisvalid, i.indisready, i.indislive, pg_get_indexdef(i.indexrelid)) from pg_index i join pg_class c on c.oid = i.indexrelid
    where c.relnamespace = $1::oid and c.relname !~ '^vectors_ann_'`,
  policy: `select c.relname || '.' || p.polname, concat_ws(' ', p.polcmd, p.polpermissive, (select string_agg(r::regrole::text, ',' order by r::regrole::text) from unnest(p.polroles) r),
      pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid)) from pg_policy p join pg_class c on c.oid = p.polrelid where c.relnamespace = $1::oid`,
  trigger: `select c.relname || '.' || t.tgname, concat_ws(' ', t.tgenabled, pg_get_triggerdef(t.oid)) from pg_trigger t join pg_class c on c.oid = t.tgrelid where c.relnamespace = $1::oid and not t.tgisinternal`,
  function: `select p.oid::regprocedure::text, concat_ws(' ', pg_get_userbyid(p.proowner), p.proacl::text, case when p.prokind in ('f', 'p') then pg_get_functiondef(p.oid) end) from pg_proc p where p.pronamespace = $1::oid`,
  type: `select t.typname, concat_ws(' ', t.typtype, format_type(t.typbasetype, t.typtypmod), (select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid))
    from pg_type t where t.typnamespace = $1::oid and t.typtype in ('e', 'd')`,
  sequence: `select c.relname, concat_ws(' ', format_type(s.seqtypid, null), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
      (select d.refobjid::regclass::text || '.' || d.refobjsubid from pg_depend d where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i') limit 1))
    from pg_sequence s join pg_class c on c.oid = s.seqrelid where c.relnamespace = $1::oid`,
  statistics: `select x.stxname, pg_get_statisticsobjdef(x.oid) from pg_statistic_ext x where x.stxnamespace = $1::oid`,
  schema: `select 'itself', n.nspacl::text from pg_namespace n where n.oid = $1::oid`,
  migration: `select m.version::text, m.checksum from schema_migrations m`,
}

export type Catalog = ReadonlyMap<string, string>

/** The schema that statements find first, by `kind name`. */
export async function readCatalog(tx: Sql): Promise<Catalog> {
  const found = new Map<string, string>()
  const [here] = await tx.query<{ oid: number }>('select current_schema()::regnamespace::oid::integer as oid')
  for (const [kind, text] of Object.entries(lines)) {
    const rows = await tx.query<{ name: string; definition: string | null }>(
      `select l.name, l.definition from (${text}) l (name, definition)`,
      text.includes('$1') ? [here?.oid] : [],
    )
    for (const { name, definition } of rows) found.set(`${kind} ${name}`, definition ?? '')
  }
  return found
}

/** A sentence for each thing that one has and the other has not, or has otherwise. */
export function catalogProblems(expected: Catalog, found: Catalog): string[] {
  return [
    ...[...expected].flatMap(([name, definition]) => {
      const now = found.get(name)
      return now === undefined ? [`The ${name} is missing.`] : now === definition ? [] : [`The ${name} is another one.`]
    }),
    ...[...found.keys()].filter((name) => !expected.has(name)).map((name) => `The ${name} is there and should not be.`),
  ]
}
