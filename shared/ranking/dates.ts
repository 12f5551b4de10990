import type { Language } from '../text/index.ts'
import { type Calendar, calendars } from './calendar.ts'
import { closeness } from './parameters.ts'

/** Days since 1970 in UTC, both ends included; without a year it is that of any year. */
export type DateSpan = { year: number | undefined; month: number | undefined; day: number | undefined }

type Spoken = { pattern: RegExp; months: readonly RegExp[]; alone: Calendar['alone'] }
const spoken = new Map(Object.entries(calendars).map(([language, calendar]) => [language, spokenIn(calendar)]))

/** Day, month, day, year as the language has them in words; any but the month may be missing. */
function spokenIn({ months, ordinal, link, alone }: Calendar): Spoken {
  const day = String.raw`(\d{1,2})${ordinal}(?![\d:])`
  const month = `(${months.join('|')})`
  const text = String.raw`(?<![\p{L}\d])(?:${day}\s+(?:${link}\s+)?)?${month}(?![\p{L}\d])\.?(?:\s+(?:the\s+)?${day})?(?:,?\s+(?:${link}\s+)?(\d{4})(?!\d))?`
  return { pattern: new RegExp(text, 'giu'), months: months.map((one) => new RegExp(`^(?:${one})$`, 'iu')), alone }
}

const dayFirst = /(?<!\d)(\d{1,2})[./](\d{1,2})[./](\d{4})(?!\d)/g
const yearFirst = /(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)/g
const bareYear = /(?<![\d.,])((?:19|20)\d{2})(?![\d.,]\d|\d)/g
/** The dates that a question in these languages names. What is no date (31 February) is none. */
export function datesOf(question: string, languages: readonly Language[]): DateSpan[] {
  const found: DateSpan[] = []
  for (const [, d, m, y] of question.matchAll(dayFirst)) found.push({ year: Number(y), month: Number(m), day: Number(d) })
  for (const [, y, m, d] of question.matchAll(yearFirst)) found.push({ year: Number(y), month: Number(m), day: Number(d) })
  for (const language of languages) found.push(...datesInWords(question, language))
  if (!found.length) for (const [, y] of question.matchAll(bareYear)) found.push({ year: Number(y), month: undefined, day: undefined })
  return found.filter(isDate)
}

function datesInWords(question: string, language: Language): DateSpan[] {
  const found: DateSpan[] = []
  const { pattern, months, alone } = spoken.get(language) ?? {}
  if (!pattern || !months) return found
  for (const match of question.matchAll(pattern)) {
    const [, before, name = '', after, year] = match
    // "may" is a verb and "march" too: alone they are months only where a month is meant
    const doubtful = before === undefined && after === undefined && year === undefined && alone?.names.test(name)
    if (doubtful && !(/^\p{Lu}/u.test(name) && alone?.behind.test(question.slice(0, match.index)))) continue
    const number = months.findIndex((one) => one.test(name)) + 1
    found.push({ year: year === undefined ? undefined : Number(year), month: number, day: Number(before ?? after) || undefined })
  }
  return found
}

function isDate({ year = 2000, month: number = 1, day: date = 1 }: DateSpan): boolean {
  const at = new Date(Date.UTC(year, number - 1, date))
  return year > 0 && at.getUTCMonth() === number - 1 && at.getUTCDate() === date
}

const dayOf = (year: number, number: number, date: number) => {
  const at = new Date(0)
  at.setUTCFullYear(year, number, date)
  return at.getTime() / 86_400_000
}

/** First and last day of a span in a year. */
function boundsIn(year: number, span: DateSpan): [number, number] {
  if (span.month === undefined) return [dayOf(year, 0, 1), dayOf(year, 11, 31)]
  if (span.day === undefined) return [dayOf(year, span.month - 1, 1), dayOf(year, span.month, 0)]
  const at = dayOf(year, span.month - 1, span.day)
  return [at, at]
}

/** How close a day is to the closest of these dates: 1 within, falling to 0 with the days after (told later) and, faster, before (plans). */
export function closenessTo(spans: readonly DateSpan[], at: Date): number {
  const today = Math.floor(at.getTime() / 86_400_000)
  const year = at.getUTCFullYear()
  let best = 0
  for (const span of spans) {
    for (const one of span.year === undefined ? [year - 1, year, year + 1] : [span.year]) {
      const [first, last] = boundsIn(one, span)
      const days = today > last ? (today - last) / closeness.afterDays : today < first ? (first - today) / closeness.beforeDays : 0
      best = Math.max(best, Math.exp(-days))
    }
  }
  return best < closeness.least ? 0 : best
}
