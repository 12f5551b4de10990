/** Pieces of PromQL that several panels share. */

/** A rate over a time that Grafana chooses to fit the scrapes. */
export const perSecond = (series: string): string => `rate(${series}[$__rate_interval])`

export const quantiles = [0.5, 0.95, 0.99]
export const percentile = (quantile: number): string => `p${quantile * 100}`

/** 2 where a breaker is open in some process, else 1 where it is half open in one, else 0. */
export const breakerState = (metric: string, label: string, more = ''): string =>
  `2 * max by (${label}) (${metric}{state="open"${more}} == 1) or max by (${label}) (${metric}{state="half_open"${more}})`
export const breakerNames = { 0: { text: 'closed', color: 'green' }, 1: { text: 'half open', color: 'orange' }, 2: { text: 'open', color: 'red' } } as const
