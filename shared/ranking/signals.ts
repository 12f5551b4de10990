import type { Language } from '../text/index.ts'

const weekday = 'mon|tues|wednes|thurs|fri|satur|sun'
const month = 'january|february|march|april|may|june|july|august|september|october|november|december'

/**
 * Words by which a text tells of a time, in PostgreSQL's regular expressions, any case. A letter with an accent is no letter where the database's locale is C, so none stands
 * where a word begins or ends.
 */
const telling: Partial<Record<Language, string>> = {
  en: String.raw`yesterday|today|tonight|tomorrow|ago|last|next|weekend|week|month|year|this (?:week|month|year|morning|weekend|summer|winter|spring|fall)|(?:${weekday})day|${month}|\d{4}|recently|since|just`,
  de: 'gestern|vorgestern|heute|morgen|neulich|kürzlich|seit|letzte[nrsm]?|vorige[nrsm]?|nächste[nrsm]?|wochenende|woche|wochen|monat|monate|monaten|jahr|jahre|jahren|diese[nrs]? (?:woche|monat|jahr|morgen|sommer|winter|frühling|herbst)|(?:mon|diens|donners|frei|sams|sonn)tags?|sonnabend|mittwochs?|januar|februar|märz|mai|juni|juli|oktober|dezember',
  fr: 'hier|avant-hier|demain|ce soir|cette (?:semaine|nuit)|ce (?:matin|mois|week-end)|derni[eè]re?s?|prochaine?s?|récemment|depuis|il y a|semaines?|mois|ans?|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre|aujourd.hui|cet (?:hiver|automne)|ce printemps',
  es: 'hoy|ayer|anteayer|anoche|mañana|pasad[oa]s?|próxim[oa]s?|recientemente|desde|hace|semanas?|fin de semana|mes|meses|años?|lunes|martes|miércoles|jueves|viernes|sábados?|domingos?|enero|febrero|marzo|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|este (?:verano|invierno|otoño)|esta primavera',
  pt: 'hoje|ontem|anteontem|passad[oa]s?|próxim[oa]s?|recentemente|desde|atrás|semanas?|fim de semana|meses|anos?|segunda-feira|terça-feira|quarta-feira|quinta-feira|sexta-feira|sábados?|domingos?|janeiro|fevereiro|março|maio|junho|julho|setembro|outubro|novembro|dezembro|este (?:inverno|outono)|esta (?:noite|primavera)',
}

/** How a text in these languages tells of a time, as a regular expression of PostgreSQL, to be matched in any case. A long document is not read to its end for it. */
export const tellingOfTime = {
  posix: (languages: readonly Language[]) => String.raw`\y(?:${languages.flatMap((language) => telling[language] ?? []).join('|')})\y`,
  looked: 2_000,
} as const

const asking = [
  /^when\b|\bwhen (?:did|does|is|was|will|has)\b|\b(?:what|which) (?:date|year|month|day)\b|\bhow long ago\b/i,
  /^(?:(?:seit|bis|ab) )?wann\b|\bwann (?:hat|habe|haben|hatte|ist|war|waren|wird|wurde|sind)\b|\bwelche[mnrs] (?:datum|tag|jahr|monat|woche)\b|\bwie lange (?:ist|her)\b/i,
  /^(?:(?:depuis|jusqu'à) )?quand\b|\bquand est-ce\b|\bquel(?:le)? (?:date|jour|année|mois|semaine)\b|\bcombien de temps\b/i,
  /^[¿\s]*(?:(?:desde|hasta|para) )?cu[áa]ndo\b|\b(?:qué|cuál) (?:fecha|d[íi]a|año|mes|semana)\b|\bhace cu[áa]nto\b/i,
  /^(?:(?:desde|até|para) )?quando\b|\b(?:em que|qual) (?:data|dia|ano|m[êe]s|semana)\b|\bh[áa] quanto tempo\b/i,
]

/** Whether a question asks for a time, in any language that is known here: none of them is taken for another in this. */
export const asksWhen = (question: string): boolean => asking.some((one) => one.test(question.trim()))
