import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Embedded, type EmbeddedOptions, openEmbedded } from '../../shared/embedded/index.ts'

const root = mkdtempSync(join(tmpdir(), 'embedded-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('the pool of the embedded database', () => {
  let db: Embedded
  beforeAll(async () => {
    db = await openEmbedded({ dataDir: 'memory://' })
  })
  afterAll(() => db.close())
  const one = async (sql: string, values?: unknown[]) => (await db.pool.query(sql, values)).rows[0]

  test('passes parameters and parses types as pg does', async () => {
    const at = new Date('2026-01-02T03:04:05.678Z')
    const values = [[1, 2], { a: [true] }, at, Buffer.from([0, 255])]
    const row = await one('select $1::int[] as ids, $2::jsonb as doc, $3::timestamptz as at, $4::bytea as raw, 9::int8 as big, null as none', values)
    expect(row).toEqual({ ids: [1, 2], doc: { a: [true] }, at, raw: Buffer.from([0, 255]), big: '9', none: null })
  })

  test('runs several statements of one simple query, and row level security for a local role', async () => {
    await db.pool.query(`create role app; create table note (tenant text, body text); grant select on note to app;
      alter table note enable row level security; insert into note values ('a', 'mine'), ('b', 'theirs');
      create policy own on note using (tenant = current_setting('soma.tenant'))`)
    const client = await db.pool.connect()
    await client.query(`begin; set local role app; select set_config('soma.tenant', 'a', true)`)
    expect((await client.query('select body from note')).rows).toEqual([{ body: 'mine' }])
    await expect(client.query('insert into note values ($1, $2)', ['a', 'x'])).rejects.toMatchObject({ code: '42501' })
    await expect(client.query('select 1')).rejects.toMatchObject({ code: '25P02' })
    await client.query('rollback')
    expect((await client.query('select current_user')).rows).toEqual([{ current_user: 'postgres' }])
    client.release()
  })

  test('rejects with the DatabaseError of Postgres and its fields', async () => {
    await db.pool.query('create table once (id int primary key)')
    const error = await db.pool.query('insert into once values (1), (1)').catch((e: unknown) => e)
    expect(error).toBeInstanceOf(pg.DatabaseError)
    expect(error).toMatchObject({ code: '23505', constraint: 'once_pkey', table: 'once', detail: 'Key (id)=(1) already exists.' })
  })

  test('carries a parameter of 5 MB and a result of 20 MB', async () => {
    expect(await one('select length($1::text) as size', ['y'.repeat(5e6)])).toEqual({ size: 5e6 })
    const { rows } = await db.pool.query(`select repeat('x', 1000) as body from generate_series(1, 20000)`)
    expect(rows.every(({ body }) => body.length === 1000) && rows.length).toBe(20_000)
  })

  test('hands on notices, named statements and results in pages', async () => {
    const client = await db.pool.connect()
    const notices: unknown[] = []
    client.on('notice', (notice) => notices.push(notice.message))
    await client.query(`do $$ begin raise notice 'heard'; end $$`)
    expect(notices).toEqual(['heard'])
    for (const n of [1, 2]) expect((await client.query({ name: 'double', text: 'select $1::int * 2 as n', values: [n] })).rows).toEqual([{ n: n * 2 }])
    const paged = await client.query({ text: 'select generate_series(1, 10)', rows: 3 } as pg.QueryConfig)
    expect(paged.rows).toHaveLength(10)
    client.release()
  })

  test('has pgvector with halfvec and hnsw', async () => {
    await db.pool.query(`create extension vector; create table v (id uuid default gen_random_uuid(), e halfvec(3));
      create index on v using hnsw (e halfvec_cosine_ops); insert into v (e) values ('[1,0,0]'), ('[0,1,0]')`)
    expect(await one('select e::text from v order by e <=> $1::halfvec limit 1', ['[0,2,0]'])).toEqual({ e: '[0,1,0]' })
  })

  test('gives the next client a clean session, whatever the one before left', async () => {
    const client = await db.pool.connect()
    await client.query(`set role app; set work_mem = '9MB'; prepare left_over as select 1`)
    await client.query('begin; create temp table scratch (a int)')
    client.release(true)
    const found = await one(`select current_user, current_setting('work_mem') as mem, to_regclass('scratch') as scratch,
      (select count(*)::int from pg_prepared_statements where name = 'left_over') as prepared`)
    expect(found).toEqual({ current_user: 'postgres', mem: '4MB', scratch: null, prepared: 0 })
  })

  test('leaves the event loop free while a statement computes', async () => {
    const order: string[] = []
    const long = db.pool.query('select count(*) from generate_series(1, 3e6::int)').then(() => order.push('statement'))
    await sleep(1)
    order.push('timer')
    await long
    expect(order).toEqual(['timer', 'statement'])
  })

  test('serves queries and transactions of many callers, one after the other', async () => {
    await db.pool.query('create table tally (n int); insert into tally values (0)')
    const add = async (fail: boolean) => {
      const client = await db.pool.connect()
      await client.query('begin')
      await client.query('update tally set n = n + 1')
      await client.query(fail ? 'select 1 / 0' : 'select 1').catch(() => {})
      await client.query(fail ? 'rollback' : 'commit')
      client.release()
    }
    const queries = Array.from({ length: 50 }, (_, n) => one('select $1::int as n', [n]))
    const transactions = Array.from({ length: 20 }, (_, n) => add(n % 4 === 0))
    expect(await Promise.all(queries)).toEqual(Array.from({ length: 50 }, (_, n) => ({ n })))
    await Promise.all(transactions)
    expect(await one('select n from tally')).toEqual({ n: 15 })
  })
})

describe('the data directory of the embedded database', () => {
  const seed = join(root, 'seed')
  let open: Embedded[] = []
  const events: string[] = []
  const start = async (dataDir: string, options: Partial<EmbeddedOptions> = {}) => {
    const db = await openEmbedded({ dataDir, onEvent: ({ type }) => events.push(type), ...options })
    open.push(db)
    return db
  }
  const copy = (name: string) => {
    cpSync(seed, join(root, name), { recursive: true })
    return join(root, name)
  }

  beforeAll(async () => {
    const db = await openEmbedded({ dataDir: seed }) // initdb once; the tests work on copies
    await db.pool.query('create table kept (id int primary key); insert into kept values (1)')
    await db.close()
  })
  afterEach(async () => {
    await Promise.all(open.map((db) => db.close()))
    open = []
    events.length = 0
  })

  test('survives a statement that is stopped at its deadline, which rejects with 57014', async () => {
    const { pool } = await start(copy('deadline'), { statementTimeoutMs: 1500 })
    await pool.query('insert into kept values (2)')
    const client = await pool.connect()
    await client.query('begin; insert into kept values (3)')
    const stopped = await client.query('select pg_sleep(60)').catch((e: unknown) => e)
    expect(stopped).toBeInstanceOf(pg.DatabaseError)
    expect(stopped).toMatchObject({ code: '57014', message: 'the statement was stopped after 1500 ms' })
    client.release()
    const computing = pool.query('select count(*) from generate_series(1, 1e12::int8)')
    const waiting = pool.query('select array_agg(id) as ids from kept')
    await expect(computing).rejects.toMatchObject({ code: '57014' })
    expect((await waiting).rows).toEqual([{ ids: [1, 2] }])
    expect(events).toEqual(['opened', 'deadline', 'reopened', 'deadline', 'reopened'])
  })

  test('survives the death of the engine, and the statement that ran rejects with 57P01', async () => {
    const { pool } = await start(copy('crash'))
    await pool.query('insert into kept values (2)')
    // COPY FROM STDIN without data behind it ends PGlite with a FATAL: the shortest way to kill it from outside.
    await expect(pool.query('copy kept from stdin')).rejects.toMatchObject({ code: '57P01' })
    expect((await pool.query('select array_agg(id) as ids from kept')).rows).toEqual([{ ids: [1, 2] }])
    expect(events).toEqual(['opened', 'crashed', 'reopened'])
  })

  test('keeps the write-ahead log short by checkpoints of its own', async () => {
    const { pool } = await start(copy('checkpoint'))
    const redo = async () => (await pool.query('select redo_lsn from pg_control_checkpoint()')).rows[0].redo_lsn
    const before = await redo()
    await pool.query(`create table bulk as select repeat('x', 1000) from generate_series(1, 90000)`)
    await vi.waitFor(async () => expect(await redo()).not.toBe(before), { timeout: 10_000, interval: 200 })
  })

  test('is refused to a second opener, who is told the pid, and free again after close()', async () => {
    const dataDir = copy('twice')
    const first = await start(dataDir)
    await expect(openEmbedded({ dataDir })).rejects.toThrow(`The data directory ${dataDir} is in use by this process (pid ${process.pid})`)
    await Promise.all([first.close(), first.close()])
    await expect(first.pool.query('select 1')).rejects.toThrow()
    expect((await (await start(dataDir)).pool.query('select id from kept')).rows).toEqual([{ id: 1 }])
  })

  test('is free after kill -9 of its process, with every acknowledged row', async () => {
    const dataDir = copy('killed')
    const child = run(`const { pool } = await openEmbedded({ dataDir: ${JSON.stringify(dataDir)} })
      for (let id = 100; ; id++) { await pool.query('insert into kept values ($1)', [id]); process.stdout.write(id + '\\n') }`)
    let output = ''
    child.stdout?.on('data', (chunk) => {
      output += chunk
    })
    await vi.waitFor(() => expect(output.split('\n').length).toBeGreaterThan(200), { timeout: 20_000 })
    await expect(openEmbedded({ dataDir })).rejects.toThrow(`in use by another process (pid ${child.pid}). Stop that process`)
    child.kill('SIGKILL')
    await once(child, 'close')
    const acknowledged = Number(output.split('\n').at(-2))
    const { rows } = await (await start(dataDir)).pool.query('select count(*)::int as n from kept where id between 100 and $1', [acknowledged])
    expect(rows).toEqual([{ n: acknowledged - 99 }])
  })

  test('lets the process end by itself after close()', async () => {
    const child = run(`const db = await openEmbedded({ dataDir: ${JSON.stringify(copy('ends'))} })
      await db.pool.query('select 1'); await db.close(); process.stdout.write('closed')`)
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  test('is refused untouched when it is of another major version, damaged or of something else', async () => {
    const cases: [name: string, spoil: (dataDir: string) => void, message: RegExp][] = [
      ['older', (dir) => rewrite(join(dir, 'engine.json'), '18', '17'), /written by Postgres 17; .* Export the data with the Soma version that wrote it/],
      ['swapped', (dir) => rewrite(join(dir, 'pg', 'PG_VERSION'), '18', '19'), /written by Postgres 19/],
      ['damaged', (dir) => rmSync(join(dir, 'pg'), { recursive: true }), /is damaged: pg\/PG_VERSION is missing/],
      ['foreign', (dir) => rmSync(join(dir, 'engine.json')), /holds something else than Soma's embedded database \(pg,/],
    ]
    for (const [name, spoil, message] of cases) {
      const dataDir = copy(name)
      spoil(dataDir)
      const before = readdirSync(dataDir)
      await expect(openEmbedded({ dataDir })).rejects.toThrow(message)
      expect(readdirSync(dataDir)).toEqual(before)
    }
    await expect(openEmbedded({ dataDir: 'relative' })).rejects.toThrow(/must be an absolute path/)
  })

  test('is begun anew when its first start was interrupted', async () => {
    const dataDir = copy('interrupted')
    const record = join(dataDir, 'engine.json')
    rewrite(record, 'true', 'false')
    rmSync(join(dataDir, 'pg', 'global'), { recursive: true })
    const { pool } = await start(dataDir)
    expect((await pool.query(`select to_regclass('kept') as kept`)).rows).toEqual([{ kept: null }])
    expect(JSON.parse(readFileSync(record, 'utf8'))).toMatchObject({ engine: 'pglite', postgresMajor: 18, initialized: true })
  })
})

function rewrite(file: string, from: string, to: string): void {
  writeFileSync(file, readFileSync(file, 'utf8').replace(from, to))
}

function run(script: string): ChildProcess {
  const module = new URL('../../shared/embedded/index.ts', import.meta.url).href
  const source = `import { openEmbedded } from '${module}'\n${script}`
  return spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
}
