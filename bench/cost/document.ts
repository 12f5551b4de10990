import { assumed, deployments, hoursAMonth, measured, nameOf, type Profile, profiles } from './assumptions.ts'
import { mostAcu } from './capacity.ts'
import { idleLines, total } from './idle.ts'
import { agentCore, agentCoreOwnRecords, checkedOn, type Price, prices, region } from './prices.ts'
import type { Resources } from './template.ts'
import { type Bill, billOf, hotMemory, ratioWith, requestCpu, requestIo, sweepsOf, unitLines, units } from './usage.ts'

const aim = 10
type Billed = { profile: Profile; bill: Bill }

const dollars = (value: number): string => (value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString('en'))
const number = (value: number): string => value.toLocaleString('en')
const times = (value: number): string => `${value.toFixed(1)}×`
/** Figures stand to the right: those of the first column, or of all from a column on. */
const table = (header: readonly string[], rows: readonly (readonly string[])[], figures: 'first' | number = 1): string =>
  [header, header.map((_, column) => ((figures === 'first' ? column === 0 : column >= figures) ? '--:' : '---')), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
const listed = { ...prices, ...agentCore, agentCoreOwnRecords }

/** docs/cost.md, of the templates of all deployments. */
export function documentOf(stacks: ReadonlyMap<string, Resources>): string {
  const of = (name: string): Resources => stacks.get(name) ?? []
  const bills = profiles.map((profile) => ({ profile, bill: billOf(of(nameOf(profile.on)), profile) }))
  const unverified = Object.entries(listed).filter(([, { verified }]) => !verified)
  return `# What it costs

Made by \`npm run bench -- cost\`, which reads the stack as CloudFormation gets it, the prices in [bench/cost/prices.ts](../bench/cost/prices.ts) and what is [assumed](#what-is-assumed); \`-- --check\` says whether this page is of now, and a test
fails when it is not. US dollars a month of 730 hours, ${region}, on demand, no free tier. Prices as published, looked up on ${checkedOn}. **It is a model: no bill was ever compared with it.**

## Beside Bedrock AgentCore Memory

The same work there at $${agentCore.stores.dollars} a million events (stores), $${agentCore.memories.dollars} a million records a month (memories) and $${agentCore.recalls.dollars} a million retrievals (recalls). The aim is a tenth of that at a million memories.

${table(['a month', 'on', 'memories', 'stores', 'recalls', 'idle', 'used', '**together**', 'AgentCore', 'cheaper'], bills.map(profileRow), 2)}

${verdict(bills)}

What is paid for being there: a broker, its pollers and its metrics, the proxy, and endpoints in three zones cost the same at ten memories and at ten million. AgentCore's records are made by a model, which is in their price; of one's own they are
$${agentCoreOwnRecords.dollars} a million, so that the same work would cost there ${bills.map(({ profile, bill }) => `${dollars(bill.agentCore - (profile.memories / 1e6) * (agentCore.memories.dollars - agentCoreOwnRecords.dollars))} (${profile.name})`).join(', ')}.

${capacity(bills, of)}

How much cheaper, were what nobody has measured otherwise:

${sensitivity(bills, of)}

## While nobody asks

${idleTable(of)}

Metrics of MSK above its default level and Container Insights are paid as metrics of one's own, and no alarm looks at them. A scheduled task is billed a minute each time: five jobs that tick each minute cost what five tasks that never end do.

## By use

Beside the idle cost: a million stores with their indexing, a million recalls of a user's thousand memories, a million memories kept for a month.

${unitTable(of)}

Where a stage rests, a store also arms what looks after it, once a job and minute however many stores there are. A month with a store in every minute pays $${dollars(resting(of))} for that; it is in the bills above.

## What is assumed

Measured, in [README](../README.md#benchmarks) and [docs/recall.md](recall.md#at-scale):

${table(
  ['', 'what'],
  Object.values(measured).map(({ value, what }) => [number(value), what]),
  'first',
)}

A database's CPU is taken as all of what the machine had, although server, database and clients shared it. Assumed, rather too dear than too cheap:

${table(
  ['', 'what'],
  Object.values(assumed).map(({ value, what }) => [number(value), what]),
  'first',
)}

Idle and used are added up, as if nothing that waits could take a request. Storage in the bucket is that of backups once all of the policy are there; the logs are those of a stage that runs for as long as it keeps them.

## Not in it

Data transfer (out of AWS, and between zones, Kafka's copies too), tax, support, what an embedding model costs (Bedrock or another), Savings Plans and reserved capacity, which make it cheaper, the free tier, a load above the average (an
instance that is larger for an hour is paid for it), a NAT gateway of your own VPC, images in ECR, exports in the bucket, links, walks and the guides' surface.

## Prices

${table(['', 'a', 'what', 'from'], Object.values(listed).map(priceRow), 'first')}

${unverified.length ? `**Not verified**: no page was found that says ${unverified.length} of these (${unverified.map(([name]) => `\`${name}\``).join(', ')}); they are remembered, agree with tables of others or nearly so, and the link is where to look.` : 'Each was found on the page that is named.'} Many are told by others than AWS, whose own pages fill their tables in by script. How many metrics Container Insights and MSK make is not verified either.
`
}

function profileRow({ profile, bill }: Billed): string[] {
  const { idle, awake, swept, used, ratio } = bill
  const all = used.stores + used.recalls + used.memories + awake + swept
  const money = [idle, all].map(dollars)
  return [
    profile.name,
    nameOf(profile.on),
    number(profile.memories),
    number(profile.stores),
    number(profile.recalls),
    ...money,
    `**${dollars(bill.total)}**`,
    dollars(bill.agentCore),
    times(ratio),
  ]
}

const resting = (of: (name: string) => Resources): number =>
  deployments.reduce((most, one) => Math.max(most, sweepsOf(of(nameOf(one)), { stores: hoursAMonth * 60, awakeHours: hoursAMonth })), 0)

function verdict(bills: readonly Billed[]): string {
  const met = bills.filter(({ bill }) => bill.ratio >= aim).map(({ profile, bill }) => `- ${profile.name}, on ${nameOf(profile.on)}: **met** (${times(bill.ratio)}).`)
  const missed = bills
    .filter(({ bill }) => bill.ratio < aim)
    .map(({ profile, bill }) => {
      const fixed = bill.idle + bill.awake
      const from = (aim * fixed) / (bill.agentCore - aim * (bill.total - fixed))
      const reached = from > 0 ? `from ${times(from)} that work on it would be` : 'more of the same work would not change that'
      return `- ${profile.name}, on ${nameOf(profile.on)}: **not met** (${times(bill.ratio)}). $${dollars(fixed)} of $${dollars(bill.total)} are paid for being there and awake; ${reached}.`
    })
  return [...met, ...missed].join('\n')
}

function capacity(bills: readonly Billed[], of: (name: string) => Resources): string {
  const tight = bills.filter(({ profile, bill }) => bill.acu > mostAcu(of(nameOf(profile.on))) * 0.7)
  const each = tight.map(
    ({ profile, bill }) =>
      `${profile.name} takes ${bill.acu.toFixed(1)} ACU on the average, and ${nameOf(profile.on)} allows ${mostAcu(of(nameOf(profile.on)))}: raise \`capacity.most\` of the stage first`,
  )
  return each.length ? `Room: ${each.join('; ')}.` : 'Each of them fits into the capacity that its stage allows.'
}

function sensitivity(bills: readonly Billed[], of: (name: string) => Resources): string {
  const others: [string, string, number][] = [
    ['five times the I/O requests of stores and recalls', requestIo, 5],
    ['three times as much hot', hotMemory, 3],
    ["half the database's CPU of stores and recalls", requestCpu, 0.5],
  ]
  const rows = others.map(([title, what, factor]) => [title, ...bills.map(({ profile }) => times(ratioWith(of(nameOf(profile.on)), profile, what, factor)))])
  return table(['', ...bills.map(({ profile }) => profile.name)], [['as above', ...bills.map(({ bill }) => times(bill.ratio))], ...rows])
}

function idleTable(of: (name: string) => Resources): string {
  const names = deployments.map(nameOf)
  const bills = names.map((name) => idleLines(of(name)))
  const whats = [...new Set(bills.flat().map(({ what }) => what.replace(/, \d+ awake.*/, '')))]
  const rows = whats.map((what) => ({
    what,
    cells: bills.map((lines) => lines.filter((line) => line.what.replace(/, \d+ awake.*/, '') === what)),
  }))
  const dearest = ({ cells }: (typeof rows)[number]) => Math.max(...cells.map(total))
  const cell = (lines: ReturnType<typeof idleLines>) => (lines.length ? `${dollars(total(lines))} (${lines.map(({ count }) => count.trim()).join(', ')})` : '')
  return table(
    ['', ...names],
    [
      ...rows.toSorted((a, b) => dearest(b) - dearest(a)).map(({ what, cells }) => [what, ...cells.map(cell)]),
      ['**together**', ...bills.map((lines) => `**${dollars(total(lines))}**`)],
    ],
  )
}

function unitTable(of: (name: string) => Resources): string {
  const names = deployments.map(nameOf)
  const rows = units.flatMap((unit) => {
    const bills = names.map((name) => unitLines(of(name), unit))
    const whats = [...new Set(bills.flat().map(({ what }) => what))]
    const title = { stores: 'a million stores', recalls: 'a million recalls', memories: 'a million memories for a month' }[unit]
    return [
      [`**${title}**`, ...bills.map((lines) => `**${dollars(total(lines))}**`)],
      ...whats.map((what) => [what, ...bills.map((lines) => dollars(total(lines.filter((line) => line.what === what))))]),
    ]
  })
  return table(['', ...names], rows)
}

function priceRow({ dollars: value, unit, what, from, verified }: Price): string[] {
  return [`$${value.toFixed(10).replace(/0+$/, '').replace(/\.$/, '')}`, unit, verified ? what : `${what} (not verified)`, `[${new URL(from).host}](${from})`]
}
