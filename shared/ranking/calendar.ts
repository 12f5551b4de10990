import type { Language } from '../text/index.ts'

/**
 * How a language writes a day and its month. `months`: twelve patterns, in their order; `ordinal`: what may stand behind the number of a day; `link`: what may stand between
 * day, month and year. `alone`: a month that is another word too means a month only behind these words, and with a capital.
 */
export type Calendar = { months: readonly string[]; ordinal: string; link: string; alone?: { names: RegExp; behind: RegExp } }

export const calendars: Partial<Record<Language, Calendar>> = {
  en: {
    months: [
      'jan(?:uary)?',
      'feb(?:ruary)?',
      'mar(?:ch)?',
      'apr(?:il)?',
      'may',
      'june?',
      'july?',
      'aug(?:ust)?',
      'sept?(?:ember)?',
      'oct(?:ober)?',
      'nov(?:ember)?',
      'dec(?:ember)?',
    ],
    ordinal: '(?:st|nd|rd|th)?',
    link: 'of',
    alone: { names: /^(?:may|mar(?:ch)?)$/i, behind: /\b(?:in|during|of|by|since|until|last|early|late|mid|this|next)\s+$/i },
  },
  de: {
    months: [
      'jan(?:uar)?|jänner',
      'feb(?:ruar)?',
      'märz?|maerz',
      'apr(?:il)?',
      'mai',
      'juni?',
      'juli?',
      'aug(?:ust)?',
      'sept?(?:ember)?',
      'okt(?:ober)?',
      'nov(?:ember)?',
      'dez(?:ember)?',
    ],
    ordinal: String.raw`\.?`,
    link: '(?:des|im)',
  },
  fr: {
    months: [
      'janv(?:ier)?',
      'févr(?:ier)?|fevrier',
      'mars',
      'avr(?:il)?',
      'mai',
      'juin',
      'juil(?:let)?',
      'août|aout',
      'septembre',
      'oct(?:obre)?',
      'nov(?:embre)?',
      'déc(?:embre)?|decembre',
    ],
    ordinal: '(?:er)?',
    link: '(?:de|du)',
  },
  es: {
    months: ['enero', 'febrero', 'marzo', 'abril', 'mayo', 'junio', 'julio', 'agosto', 'sep?tiembre', 'octubre', 'noviembre', 'diciembre'],
    ordinal: '[.º°]?',
    link: '(?:del?)',
  },
  pt: {
    months: ['janeiro', 'fevereiro', 'março|marco', 'abril', 'maio', 'junho', 'julho', 'agosto', 'setembro', 'outubro', 'novembro', 'dezembro'],
    ordinal: '[.º°]?',
    link: '(?:de|do)',
  },
}
