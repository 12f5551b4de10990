const weekday = 'mon|tues|wednes|thurs|fri|satur|sun'
const month = 'january|february|march|april|may|june|july|august|september|october|november|december'
const telling = String.raw`(?:yesterday|today|tonight|tomorrow|ago|last|next|weekend|week|month|year|this (?:week|month|year|morning|weekend|summer|winter|spring|fall)|(?:${weekday})day|${month}|\d{4}|recently|since|just)`
const asking = /^when\b|\bwhen (?:did|does|is|was|will|has)\b|\b(?:what|which) (?:date|year|month|day)\b|\bhow long ago\b/i
/** How a text tells of a time, as a regular expression of PostgreSQL, to be matched in any case. A long document is not read to its end for it. */
export const tellingOfTime = { posix: String.raw`\y${telling}\y`, looked: 2_000 } as const

/** Whether a question asks for a time. */
export const asksWhen = (question: string): boolean => asking.test(question.trim())
