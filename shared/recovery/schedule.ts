import { type Database, schemaVersion, singly } from '../db/index.ts'
import { endSilent, type RunKind, silentSeconds } from './runs.ts'

const access = { role: 'soma_worker', tenantId: null } as const

/** Keeps what a scheduled job knows of itself, for the metrics: that it is there, how often a run is due, and since when; and ends runs whose process is gone. */
export async function noteSchedule(worker: Database, kind: RunKind, everyHours: number): Promise<void> {
  await endSilent(singly(worker, access), kind)
  await worker.statement(
    access,
    `insert into recovery_schedule (kind, every_hours) values ($1::text, $2::double precision)
     on conflict (kind) do update set looked_at = now(), every_hours = excluded.every_hours,
       since = case when recovery_schedule.every_hours = 0 then now() else recovery_schedule.since end`,
    [kind, everyHours],
  )
}

/** `increment`: a backup that need not be a full one. */
export type Turn = RunKind | 'increment'

/**
 * Whether a run is to begin now: somebody asked for it, or the last good one began `everyHours` ago (0: never by itself). A backup is a full one, and is due too when the last one has an older schema, which
 * this code could not restore; an increment is not when there was any backup. A drill waits for a backup of this schema; one that found a fault is tried again after a day at most, whatever else failed within
 * the hour.
 */
export async function isDue(worker: Database, turn: Turn, everyHours: number): Promise<boolean> {
  const kind = turn === 'drill' ? 'drill' : 'backup'
  const recent = (which: string, seconds: string) => `exists (select from runs r where ${which} and r.started_at > now() - make_interval(secs => ${seconds}))`
  const period = '$2::double precision * 3600 - 60'
  const [row] = await worker.statement<{ asked: boolean; due: boolean }>(
    { ...access, readOnly: true },
    `with runs as (select r.*, (r.report::jsonb->>'schema_version')::integer = ${schemaVersion} as current, r.report::jsonb->>'kind' = 'increment' as part from recovery_runs r where not r.apart)
     select $3::text <> 'increment' and exists (select from runs r where r.kind = $1::text and r.state = 'requested') as asked,
       $2::double precision > 0
       and not exists (select from runs r where r.kind = $1::text and r.state = 'running' and r.alive_at >= now() - interval '${silentSeconds} seconds')
       and not ${recent(`r.kind = $1::text and r.state = 'succeeded' and (r.kind = 'drill' or r.current and ($3::text = 'increment' or r.part is not true))`, period)}
       and not ${recent(`r.kind = $1::text and r.state in ('failed', 'running')`, '3000')}
       and not ${recent(`r.kind = $1::text and r.state = 'failed' and r.report is not null`, `least(${period}, 86340)`)}
       and ($1::text = 'backup' or exists (select from runs b where b.kind = 'backup' and b.state = 'succeeded' and b.current)) as due`,
    [kind, everyHours, turn],
  )
  return (row?.asked || row?.due) ?? false
}

/** An increment looks at every row there is: it is not to take more than this share of the time. */
const incrementShare = 0.02

/** How many hours lie between increments: those of the policy, or more where the last one took long; at most half of those between full ones, so that the next one tells how long it takes now. */
export async function incrementPeriod(worker: Database, wantedHours: number, fullHours: number): Promise<number> {
  const [row] = await worker.statement<{ hours: number }>(
    { ...access, readOnly: true },
    `select extract(epoch from r.ended_at - r.started_at)::double precision / 3600 as hours from recovery_runs r
     where r.kind = 'backup' and r.state = 'succeeded' and r.report::jsonb->>'kind' = 'increment' order by r.requested_at desc limit 1`,
  )
  return Math.min(fullHours / 2, Math.max(wantedHours, (row?.hours ?? 0) / incrementShare))
}

/** Whether the last run failed to write a full backup. */
export async function fullFailed(worker: Database): Promise<boolean> {
  const [row] = await worker.statement<{ failed: boolean }>(
    { ...access, readOnly: true },
    `select r.state = 'failed' and coalesce(r.archive, '') !~ '-i[0-9a-f]{8}$' as failed from recovery_runs r where r.kind = 'backup' and r.state in ('succeeded', 'failed') and not r.apart
     order by r.started_at desc limit 1`,
  )
  return row?.failed ?? false
}

/**
 * For the metrics, in seconds: the age of the newest good backup and of the newest proved one (since the schedule began, where there was none), whether the last run that came to a result was good, how often one is due
 * (0: never), and how long ago the job was there. Null: nothing is known.
 */
export type RecoveryState = { kind: RunKind; age: number | null; ok: boolean | null; every: number | null; looked: number | null; rpo: number | null; rto: number | null }
export async function recoveryState(worker: Database): Promise<RecoveryState[]> {
  const rows = await worker.statement<Omit<RecoveryState, 'rpo' | 'rto'> & { report: string | null }>(
    { ...access, readOnly: true },
    `select k.kind, extract(epoch from now() - coalesce(g.at, case when s.every_hours > 0 then s.since end))::double precision as age, l.state = 'succeeded' as ok, l.report,
       s.every_hours * 3600 as every, extract(epoch from now() - s.looked_at)::double precision as looked
     from (values ('backup'), ('drill')) k (kind) left join recovery_schedule s using (kind)
     left join lateral (select coalesce(r.instant, r.started_at) as at from recovery_runs r where r.kind = k.kind and r.state = 'succeeded' and not r.apart order by r.requested_at desc limit 1) g on true
     left join lateral (select r.state, r.report from recovery_runs r where r.kind = k.kind and not r.apart and (r.state = 'succeeded' or r.state = 'failed' and (r.kind = 'backup' or r.report is not null))
       order by r.requested_at desc limit 1) l on true`,
  )
  return rows.map(({ report, ...row }) => {
    const told = row.kind === 'drill' && report ? (JSON.parse(report) as { rpo_seconds: number | null; rto_seconds: number | null }) : undefined
    return { ...row, rpo: told?.rpo_seconds ?? null, rto: told?.rto_seconds ?? null }
  })
}
