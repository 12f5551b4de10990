import { type Dashboard, type Row, watched } from './figure.ts'
import { perSecond } from './queries.ts'

const outbox: Row = {
  title: 'Outbox',
  figures: [
    {
      kind: 'lines',
      title: 'Changes that wait',
      description: 'Changes that are committed and not published yet: of all tenants, and of the five with the most. Counted up to 100,000; then it says at least so many.',
      unit: 'short',
      queries: [
        { expr: 'sum(max by (tenant) (outbox_pending))', legend: 'all tenants' },
        { expr: 'topk(5, max by (tenant) (outbox_pending))', legend: '{{tenant}}' },
      ],
      chapter: 'outbox_pending-grows',
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Oldest change that waits',
      description: 'How long the oldest unpublished change of each tenant has waited. Recall finds it by its words meanwhile.',
      unit: 's',
      queries: [{ expr: watched('SomaOutboxOld'), legend: '{{tenant}}' }],
      alerts: ['SomaOutboxOld'],
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Dead rows',
      description: 'Changes whose attempts have run out, or that trying again cannot help. They wait for somebody, and hold up nobody.',
      unit: 'short',
      queries: [{ expr: watched('SomaOutboxDead'), legend: '{{tenant}}' }],
      alerts: ['SomaOutboxDead'],
      width: 8,
    },
  ],
}

const consumers: Row = {
  title: 'Consumers',
  figures: [
    {
      kind: 'lines',
      title: 'Consumer lag',
      description: 'Records of a topic that a consumer group has not done yet. It is told with Kafka only.',
      unit: 'short',
      queries: [{ expr: watched('SomaConsumerLag'), legend: '{{group}} {{topic}}' }],
      alerts: ['SomaConsumerLag'],
      width: 6,
    },
    {
      kind: 'lines',
      title: 'Records consumed',
      description: 'Event records that the consumers have taken, a second. Each consumer takes each record once, so a change counts as often as there are consumers.',
      unit: 'cps',
      queries: [{ expr: `sum by (topic) (${perSecond('consumer_messages_consumed_total')})`, legend: '{{topic}}' }],
      chapter: 'vectors-lag-behind',
      width: 6,
    },
    {
      kind: 'lines',
      title: 'Records that failed',
      description: 'Within ten minutes, by consumer. They are tried again; a few while something restarts are nothing.',
      unit: 'short',
      queries: [{ expr: watched('SomaConsumerFails'), legend: '{{component}}' }],
      alerts: ['SomaConsumerFails'],
      width: 6,
    },
    {
      kind: 'lines',
      title: 'Dead letters',
      description: 'Records that no consumer can ever apply, put aside within the hour.',
      unit: 'short',
      queries: [{ expr: watched('SomaDeadLetters'), legend: '{{consumer}}' }],
      alerts: ['SomaDeadLetters'],
      width: 6,
    },
  ],
}

const vectors: Row = {
  title: 'Vectors',
  figures: [
    {
      kind: 'lines',
      title: 'Index lag',
      description: 'From the commit of a memory until it has its vector, of the last batch. It stands still while nothing is stored.',
      unit: 's',
      queries: [{ expr: watched('SomaIndexLag'), legend: 'last batch' }],
      alerts: ['SomaIndexLag'],
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Vectors that could not be written',
      description: 'A second. The record is tried again, or becomes a dead letter.',
      unit: 'wps',
      queries: [{ expr: `sum(${perSecond('vector_put_failures_total')})`, legend: 'failed' }],
      chapter: 'vectors-lag-behind',
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Model coverage',
      description: 'The share of the vectors that a model has. While a new model is introduced it rises to 1; then recall may be switched to it.',
      unit: 'percentunit',
      queries: [{ expr: 'max by (model, use) (embedding_model_coverage)', legend: '{{model}} ({{use}})' }],
      chapter: 'another-embedding-model',
      width: 8,
    },
    {
      kind: 'lines',
      title: 'What the last check of the vectors found',
      description: 'Vectors that were missing, that were of another version than the present one, and how many of both it mended.',
      unit: 'short',
      queries: ['missing', 'stale', 'repaired'].map((found) => ({ expr: `max by (model) (vector_index_${found})`, legend: `{{model}} ${found}` })),
      chapter: 'it-differs-from-postgres',
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Vectors that it could not mend',
      description: 'What is missing or out of date after the check has mended what it could. Above 0 recalls miss memories that they should find by meaning.',
      unit: 'short',
      queries: [{ expr: watched('SomaVectorsDiffer'), legend: '{{model}}' }],
      alerts: ['SomaVectorsDiffer'],
      width: 8,
    },
    {
      kind: 'lines',
      title: 'Since the last check',
      description: 'How long ago all vectors of a model were last held against the memories.',
      unit: 's',
      queries: [{ expr: 'max by (model) (vector_index_check_age_seconds)', legend: '{{model}}' }],
      chapter: 'it-differs-from-postgres',
      width: 8,
    },
  ],
}

const journal: Row = {
  title: 'Journal',
  figures: [
    {
      kind: 'lines',
      title: 'Appends in the journal',
      description: 'Answered 202 while the database was away, and not stored yet. It empties by itself when the database is back.',
      unit: 'short',
      queries: [{ expr: 'sum(journal_pending)', legend: 'appends' }],
      chapter: 'the-journal-does-not-empty',
      width: 6,
    },
    {
      kind: 'lines',
      title: 'Oldest of them',
      description: 'How long it has waited. At JOURNAL_MAX_HOURS more are refused.',
      unit: 's',
      queries: [{ expr: watched('SomaJournalWaits'), legend: 'oldest' }],
      alerts: ['SomaJournalWaits'],
      width: 6,
    },
    {
      kind: 'lines',
      title: 'Size of the journal',
      description: 'At JOURNAL_MAX_MB more are refused.',
      unit: 'bytes',
      queries: [{ expr: 'sum(journal_bytes)', legend: 'bytes' }],
      chapter: 'the-journal-is-full-or-its-disk-is',
      width: 6,
    },
    {
      kind: 'lines',
      title: 'Appends that failed',
      description: 'They could not be stored when the database was back, and wait for somebody.',
      unit: 'short',
      queries: [{ expr: watched('SomaJournalFailed'), legend: 'failed' }],
      alerts: ['SomaJournalFailed'],
      width: 6,
    },
  ],
}

const audit: Row = {
  title: 'Audit',
  figures: [
    {
      kind: 'lines',
      title: 'Audit rows without a place in their chain',
      description: 'How old the oldest one can be: every row that was committed before is sealed. The job seals each minute; until then nobody could tell if a row were changed.',
      unit: 's',
      queries: [{ expr: watched('SomaAuditUnsealed'), legend: 'oldest' }],
      alerts: ['SomaAuditUnsealed'],
      width: 24,
    },
  ],
}

export const pipeline: Dashboard = {
  uid: 'soma-pipeline',
  title: 'Soma: pipeline',
  description:
    'What happens to a change after its answer: the outbox, the consumers, the vectors, the audit chain; and the journal that takes its place while the database is away.',
  since: '6h',
  rows: [outbox, consumers, vectors, audit, journal],
}
