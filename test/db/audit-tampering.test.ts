import { beforeAll, expect, test } from 'vitest'
import type { Fault, FaultKind } from '../../shared/audit/faults.ts'
import { type Checkpoint, newestCheckpoints } from '../../shared/audit/index.ts'
import { verifyRows } from '../../shared/audit/verify.ts'
import { keyIdOf, signerOf } from '../../shared/signature/index.ts'
import { auditOf, auditSigner } from '../support/audit.ts'
import { type Caller, describeEngines } from '../support/engines.ts'
import { adminSql, loseWakeUps } from './admin.ts'

/** Another value of the same type. */
const otherValue = (column: string, type: string): string => {
  const own = `t."${column}"`
  if (type === 'bigint') return `${own} + 1000`
  // somebody else's
  if (type === 'integer') return '1'
  if (type === 'text') return `coalesce(${own}, '') || 'x'`
  if (/^timestamp/.test(type)) return `${own} + interval '1 microsecond'`
  if (type === 'jsonb') return `coalesce(${own}, '{}') || '{"x": 1}'`
  if (type === 'bytea') return `set_byte(${own}, 0, 255 - get_byte(${own}, 0))`
  throw new Error(`no other value of ${type}`)
}
const tables = ['audit_log', 'audit_chain', 'audit_checkpoints'] as const

describeEngines('whoever owns the database', (product) => {
  const { seal, verify, write } = auditOf(product)
  let ada: Caller

  beforeAll(async () => {
    await loseWakeUps(product())
    ada = await product().tenant()
    for (const part of [['a', 'b', 'c', 'd'], ['e', 'f'], ['g']]) {
      await write(ada, part)
      await seal(ada)
    }
  })

  /** What is wrong after `damage`, whose $1 is the tenant, with it and with the tenant that rows were moved to. Nothing of it stays. */
  function faultsAfter(damage: string, against: Checkpoint[] = []): Promise<Fault[]> {
    return product().local.db.owner.maintenance(async (sql) => {
      await sql.query('begin')
      try {
        for (const statement of damage.split(';')) await sql.query(statement.replaceAll('$1', String(ada.tenantId)))
        const keys = new Map([[auditSigner.keyId, auditSigner.publicKey]])
        const own = await verifyRows(sql, ada, { keys, against })
        const others = await verifyRows(sql, { tenantId: 1, tenant: 'default' }, { keys })
        return [...own.faults, ...others.faults]
      } finally {
        await sql.query('rollback')
      }
    })
  }
  const kinds = (faults: Fault[]): FaultKind[] => [...new Set(faults.map(({ kind }) => kind))].sort()

  test('finds nothing wrong with a chain that is whole', async () => {
    const found = await verify(ada)
    expect(found).toMatchObject({ ok: true, position: 7, waiting: 0, faults: [], unknown_keys: [] })
    expect(found.checkpoints).toBeGreaterThanOrEqual(3)
    expect(await faultsAfter('select 1')).toEqual([])
  })

  test('cannot change a column of any row that was sealed, nor of its place, nor of a checkpoint', async () => {
    const columns = await adminSql<{ table: string; column: string; type: string }>(
      product(),
      `select c.relname as table, a.attname as column, format_type(a.atttypid, null) as type from pg_class c join pg_attribute a on a.attrelid = c.oid
       where c.relnamespace = current_schema()::regnamespace and c.relname = any ($1::text[]) and a.attnum > 0 and not a.attisdropped order by 1, a.attnum`,
      [tables],
    )
    expect(columns.length).toBeGreaterThanOrEqual(19)
    const unseen: string[] = []
    let done = 0
    for (const { table, column, type } of columns) {
      // of another cluster it means nothing, so it is no part of what a row says: it only has the sealer look again
      if (type === 'xid8') continue
      const key = table === 'audit_log' ? 'seq' : 'position'
      const [ends] = await adminSql<{ first: string; last: string }>(
        product(),
        `select min(t.${key})::text as first, max(t.${key})::text as last from ${table} t where t.tenant_id = $1::integer`,
        [ada.tenantId],
      )
      for (const place of [ends?.first, ends?.last]) {
        const faults = await faultsAfter(`update ${table} t set "${column}" = ${otherValue(column, type)} where t.tenant_id = $1 and t.${key} = ${place}`)
        if (!faults.length) unseen.push(`${table}.${column} of ${place}`)
        done += 1
      }
    }
    expect(unseen).toEqual([])
    expect(done).toBe((columns.length - 1) * 2)
  })

  test('cannot remove any row, its place, or both, nor all that the newest checkpoint is about', async () => {
    const rows = await adminSql<{ position: string; seq: string }>(product(), 'select position, seq from audit_chain where tenant_id = $1::integer order by position', [
      ada.tenantId,
    ])
    expect(rows).toHaveLength(7)
    for (const { position, seq } of rows) {
      const row = `delete from audit_log where tenant_id = $1 and seq = ${seq}`
      const place = `delete from audit_chain where tenant_id = $1 and position = ${position}`
      expect(kinds(await faultsAfter(row))).toEqual(['missing'])
      const tail = position === '7' ? 'cut' : 'gap'
      expect(kinds(await faultsAfter(place))).toContain(tail)
      expect(kinds(await faultsAfter(`${row};${place}`))).toContain(tail)
      // and all behind it
      const cut = `delete from audit_log where tenant_id = $1 and seq >= ${seq};delete from audit_chain where tenant_id = $1 and position >= ${position}`
      expect(kinds(await faultsAfter(cut))).toEqual(['cut'])
    }
    expect(kinds(await faultsAfter('delete from audit_checkpoints where tenant_id = $1'))).toEqual(['unproved'])
  })

  test('cannot swap two rows, or two places, or add a row between them', async () => {
    const [one, two] = await adminSql<{ seq: string }>(product(), 'select seq from audit_chain where tenant_id = $1::integer and position in (2, 3) order by position', [
      ada.tenantId,
    ])
    const swap = (table: string, column: string) =>
      `update ${table} set ${column} = -1 where tenant_id = $1 and ${column} = ${one?.seq};update ${table} set ${column} = ${one?.seq} where tenant_id = $1 and ${column} = ${two?.seq};update ${table} set ${column} = ${two?.seq} where tenant_id = $1 and ${column} = -1`
    for (const faults of [await faultsAfter(swap('audit_log', 'seq')), await faultsAfter(swap('audit_chain', 'seq'))]) {
      expect(faults.map(({ kind, position }) => [kind, position])).toEqual([
        ['changed', 2],
        ['changed', 3],
      ])
    }
    const row = `insert into audit_log (tenant_id, seq, at, actor, action, xid) values ($1, 0, now(), 'x', 'x', '3')`
    expect(kinds(await faultsAfter(row))).toEqual(['left_out'])
    const moved =
      'update audit_chain set position = position + 1000 where tenant_id = $1 and position > 3;update audit_chain set position = position - 999 where tenant_id = $1 and position > 1000'
    const between = `${row};${moved};insert into audit_chain select tenant_id, 4, 0, hash from audit_chain where tenant_id = $1 and position = 3`
    expect(kinds(await faultsAfter(between))).toEqual(['changed', 'differs'])
  })

  test('cannot hash the whole chain anew, nor sign it with another key', async () => {
    const forged = signerOf('the key of somebody else', 'soma audit checkpoints')
    const [newest] = await adminSql<{ position: string; statement: string }>(
      product(),
      'select position, statement from audit_checkpoints where tenant_id = $1::integer order by at desc limit 1',
      [ada.tenantId],
    )
    const hash = 'ab'.repeat(32)
    const rehashed = `update audit_chain set hash = decode('${hash}', 'hex') where tenant_id = $1 and position = 7`
    expect(kinds(await faultsAfter(rehashed))).toEqual(['changed', 'differs'])
    const statement = JSON.stringify({ ...JSON.parse(newest?.statement as string), hash })
    const where = `where tenant_id = $1 and statement = '${newest?.statement}'`
    expect(kinds(await faultsAfter(`update audit_checkpoints set statement = '${statement}' ${where}`))).toEqual(['broken'])
    const other = JSON.stringify({ ...JSON.parse(newest?.statement as string), key_id: forged.keyId })
    const signed = `update audit_checkpoints set statement = '${other}', signature = '${forged.sign(other)}', public_key = '${forged.publicKey}' ${where}`
    expect(kinds(await faultsAfter(signed))).toEqual(['unproved'])
    const posing = `update audit_checkpoints set statement = '${statement}', signature = '${forged.sign(statement)}' ${where}`
    expect(kinds(await faultsAfter(posing))).toEqual(['broken'])
    // whoever has another SIGNING_KEY at hand proves nothing
    const elsewhere = await verify(ada, [], forged)
    expect([elsewhere.ok, elsewhere.unknown_keys]).toEqual([false, [auditSigner.keyId]])
  })

  test('can cut an end off with its checkpoints only until somebody compares with one that was kept elsewhere', async () => {
    const kept = await newestCheckpoints(product().local.db.worker, ada.tenant)
    expect(kept.map(({ public_key: key }) => keyIdOf(key))).toEqual([auditSigner.keyId])
    const cut = `delete from audit_log where tenant_id = $1 and seq = (select seq from audit_chain where tenant_id = $1 and position = 7);
      delete from audit_chain where tenant_id = $1 and position = 7;delete from audit_checkpoints where tenant_id = $1 and position = 7`
    expect(await faultsAfter(cut)).toEqual([])
    expect(kinds(await faultsAfter(cut, kept))).toEqual(['cut'])
    const everything = tables.map((table) => `delete from ${table} where tenant_id = $1`).join(';')
    expect(kinds(await faultsAfter(everything, kept))).toEqual(['cut'])
    expect((await verify(ada, kept)).ok).toBe(true)
  })
})
