import type { Dashboard, Figure } from './figure.ts'
import { breakerNames, breakerState } from './queries.ts'

const chosen = 'tenant=~"$tenant"'
const worst = (gauge: string) => `max by (tenant) (${gauge}{${chosen}})`

const figures: Figure[] = [
  {
    kind: 'lines',
    title: 'Changes that wait',
    description:
      'Changes of the tenant that are committed and not published yet. One tenant with a long queue is served between the others: if only its own grows, it stores faster than the drain publishes.',
    unit: 'short',
    queries: [{ expr: worst('outbox_pending'), legend: '{{tenant}}' }],
    chapter: 'outbox_pending-grows',
    width: 12,
  },
  {
    kind: 'lines',
    title: 'Oldest change that waits',
    description: 'How long the oldest of them has waited.',
    unit: 's',
    queries: [{ expr: worst('memory_wal_lag_seconds'), legend: '{{tenant}}' }],
    alerts: ['SomaOutboxOld'],
    width: 12,
  },
  {
    kind: 'lines',
    title: 'Dead rows',
    description: 'Changes whose attempts have run out, or that trying again cannot help.',
    unit: 'short',
    queries: [{ expr: worst('outbox_dead'), legend: '{{tenant}}' }],
    alerts: ['SomaOutboxDead'],
    width: 12,
  },
  {
    kind: 'states',
    title: 'Breakers',
    description:
      'Open: something that is called outside of the process fails for this tenant. Where it is open for this one only, the tenant sends what the server fails on, or is the only one that calls.',
    unit: 'short',
    queries: [{ expr: breakerState('circuit_breaker_state', 'tenant', `,${chosen}`), legend: '{{tenant}}' }],
    chapter: 'a-breaker-is-open',
    names: breakerNames,
    width: 12,
  },
  {
    kind: 'table',
    title: 'Now',
    description: 'The same of each tenant, now.',
    unit: 'short',
    queries: [
      { expr: worst('outbox_pending'), legend: 'waiting' },
      { expr: worst('memory_wal_lag_seconds'), legend: 'oldest', unit: 's' },
      { expr: worst('outbox_dead'), legend: 'dead' },
    ],
    chapter: 'the-outbox',
    width: 24,
  },
]

export const tenant: Dashboard = {
  uid: 'soma-tenant',
  title: 'Soma: tenants',
  description: 'What the metrics tell of a tenant.',
  since: '6h',
  variable: { label: 'tenant', series: '{__name__=~"outbox_pending|circuit_breaker_state"}' },
  rows: [{ title: 'Tenant', figures }],
  note: `A tenant has a line while something of it waits, is dead, or is refused; \`default\` always has. The first thousand have one each, the rest are \`other\`.

Requests are not counted by tenant: a label for each would make of one metric as many as there are tenants. What a tenant asks for and stores: \`npx soma usage\` with a key of it, or
\`GET /v1/usage\`; what it is held to: \`npx soma tenant limit <name>\`; who asked for what: the log, where each line has its tenant.`,
}
