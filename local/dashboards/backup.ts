import { alertRule, colorOf, type Dashboard, type Figure, type Row, sidesOf } from './figure.ts'

/** How old the newest good one is, beside how often one is due and the age at which somebody is told. */
function ages(kind: 'backup' | 'drill', title: string, description: string): Figure[] {
  const name = kind === 'backup' ? 'SomaBackupOld' : 'SomaDrillOld'
  const { watched, limit } = sidesOf(name)
  const { severity } = alertRule(name)
  return [
    {
      kind: 'number',
      title: `${title}: age, of what is allowed`,
      description: `How much of the age at which somebody is told is used up. At 100 % it is a ${severity}. No data: none is ever due.`,
      unit: 'percentunit',
      queries: [{ expr: `${watched} / (${limit})`, legend: kind }],
      alerts: [name],
      steps: [{ from: 1, color: colorOf(severity) }],
      width: 6,
    },
    {
      kind: 'lines',
      title: `${title}: age`,
      description,
      unit: 's',
      queries: [
        { expr: watched, legend: 'age' },
        { expr: `max(recovery_every_seconds{kind="${kind}"} > 0)`, legend: 'one is due every' },
        { expr: limit, legend: `${severity} above` },
      ],
      alerts: [name],
      width: 18,
    },
  ]
}

const jobs: Row = {
  title: 'The jobs',
  figures: [
    {
      kind: 'states',
      title: 'Whether the last one was good',
      description: 'The last backup and the last drill that came to a result. A drill that was stopped came to none.',
      unit: 'short',
      queries: [{ expr: 'min by (kind) (recovery_last_ok)', legend: '{{kind}}' }],
      alerts: ['SomaBackupFailed', 'SomaDrillFailed'],
      names: { 0: { text: 'failed', color: 'red' }, 1: { text: 'good', color: 'green' } },
      width: 12,
    },
    {
      kind: 'lines',
      title: 'Since the job last looked',
      description: 'Each job looks every quarter of an hour whether it is its turn. One that does not look writes no backup, and proves none.',
      unit: 's',
      queries: [{ expr: 'min by (kind) (recovery_looked_seconds)', legend: '{{kind}}' }],
      alerts: ['SomaBackupJobGone'],
      width: 12,
    },
  ],
}

const told = [
  {
    metric: 'drill_rpo_seconds',
    title: 'would have been lost (RPO)',
    description: 'The age of the backup that the last drill restored: what was stored since would have been lost.',
  },
  {
    metric: 'drill_rto_seconds',
    title: 'would have taken (RTO)',
    description: 'How long the last drill took until the copy was there and examined. A restore takes about as long.',
  },
]

const disaster: Row = {
  title: 'What a disaster costs',
  figures: told.flatMap(({ metric, title, description }): Figure[] => {
    const shared = { unit: 's', description: `${description} No data: there was no drill yet. Hold it against what you have promised.`, chapter: 'backups-and-drills' }
    const queries = [{ expr: `max(${metric} >= 0)`, legend: 'last drill' }]
    return [
      { ...shared, kind: 'number', title: `What ${title}`, queries, width: 4 },
      { ...shared, kind: 'lines', title: `What ${title}, drill by drill`, queries, width: 8 },
    ]
  }),
}

export const backup: Dashboard = {
  uid: 'soma-backup',
  title: 'Soma: backups and drills',
  description: 'Whether there is a good backup, whether it is proved, and what a disaster now would cost in data and in time.',
  since: '30d',
  rows: [
    {
      title: 'Backups',
      figures: ages('backup', 'Newest good backup', 'Where there was none: since one was first due. So much would be lost now.'),
    },
    {
      title: 'Drills',
      figures: ages(
        'drill',
        'Newest backup that is proved',
        'A drill restores the newest backup beside the live data and examines it. Until one succeeds, no newer backup is known to be whole.',
      ),
    },
    jobs,
    disaster,
  ],
}
