import { closeness } from './parameters.ts'

/** Days since 1970 in UTC, both ends included; without a year it is that of any year. */
export type DateSpan = { year: number | undefined; month: number | undefined; day: number | undefined }

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const month = 'jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?'
const day = String.raw`(\d{1,2})(?:st|nd|rd|th)?(?![\d:])`
const inWords = new RegExp(String.raw`(?<![\p{L}\d])(?:${day}\s+(?:of\s+)?)?(${month})(?![\p{L}\d])\.?(?:\s+(?:the\s+)?${day})?(?:,?\s+(?:of\s+)?(\d{4})(?!\d))?`, 'giu')
const dayFirst = /(?<!\d)(\d{1,2})[./](\d{1,2})[./](\d{4})(?!\d)/g
const yearFirst = /(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)/g
const bareYear = /(?<![\d.,])((?:19|20)\d{2})(?![\d.,]\d|\d)/g
/** "may" is a verb and "march" too: alone they are months only where a month is meant. */
const meansMonth = /\b(?:in|during|of|by|since|until|last|early|late|mid|this|next)\s+$/i

/** The dates that a question names. What is no date (31 February) is none. */
export function datesOf(question: string): DateSpan[] {
  const found: DateSpan[] = []
  for (const [, d, m, y] of question.matchAll(dayFirst)) found.push({ year: Number(y), month: Number(m), day: Number(d) })
  for (const [, y, m, d] of question.matchAll(yearFirst)) found.push({ year: Number(y), month: Number(m), day: Number(d) })
  for (const match of question.matchAll(inWords)) {
    const [, before, name = '', after, year] = match
    const alone = before === undefined && after === undefined && year === undefined
    const doubtful = /^(?:may|mar(?:ch)?)$/i.test(name)
    if (alone && doubtful && !(/^\p{Lu}/u.test(name) && meansMonth.test(question.slice(0, match.index)))) continue
    const number = months.indexOf(name.slice(0, 3).toLowerCase()) + 1
    found.push({ year: year === undefined ? undefined : Number(year), month: number, day: Number(before ?? after) || undefined })
  }
  if (!found.length) for (const [, y] of question.matchAll(bareYear)) found.push({ year: Number(y), month: undefined, day: undefined })
  return found.filter(isDate)
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
