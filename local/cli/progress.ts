import type { Globals } from './globals.ts'

export type ProgressOptions = {
  /** What is under way, such as `Exporting`. */
  label: string
  /** What is counted, in the plural: `memories`, `lines`. `bytes` are shown as kB, MB or GB. */
  unit: string
  /** How many there will be; a later report may know it better. Without it there is no share and no remaining time. */
  total?: number | undefined
  /** Where it is shown and what time it is: for tests. */
  out?: { isTTY?: boolean; columns?: number; write(text: string): unknown }
  now?: () => number
}
export type Progress = {
  /** So many are done in all, not since the last report. Cheap: call it as often as you like. */
  report(done: number, total?: number): void
  /** Shows the last state and gives the line back. Call it whatever happened. */
  end(): void
}

const everyMs = { terminal: 100, plain: 5_000 }
const barWidth = 24

/**
 * Shows how far a long command is, on stderr: one line that is drawn over on a terminal, a plain line every five seconds elsewhere (a log, a pipe),
 * nothing with --json. The rate is that of the last ten seconds or so, and the remaining time follows from it.
 */
export function showProgress({ json }: Globals, options: ProgressOptions): Progress {
  const { label, unit, out = process.stderr, now = () => performance.now() } = options
  if (json) return { report() {}, end() {} }
  const terminal = out.isTTY === true
  const started = now()
  let { total } = options
  let done = 0
  let shownAt = started
  let shown: string | undefined
  // where the rate is counted from: moves on, so that a slow beginning is forgotten
  let window = [{ at: started, done: 0 }]

  function draw(): void {
    const text = `${label}: ${line({ done, total, unit, rate: rateOf(window, done, now()), elapsedMs: now() - started, bar: terminal })}`
    if (text === shown) return
    shown = text
    // one column is left free: a full line would wrap on some terminals, and then it cannot be drawn over
    out.write(terminal ? `\r\u001b[K${text.slice(0, Math.max(20, (out.columns ?? 80) - 1))}` : `${text}\n`)
  }

  return {
    report(reached, of = total) {
      done = reached
      total = of
      const at = now()
      if (at - shownAt < (terminal ? everyMs.terminal : everyMs.plain)) return
      shownAt = at
      if (at - (window.at(-1)?.at ?? 0) >= 1_000) window = [...window, { at, done }].slice(-10)
      draw()
    },
    end() {
      window = [{ at: started, done: 0 }]
      draw()
      if (terminal) out.write('\n')
    },
  }
}

function rateOf(window: { at: number; done: number }[], done: number, at: number): number {
  const [from] = window
  return from && at > from.at ? ((done - from.done) / (at - from.at)) * 1000 : 0
}

function line({ done, total, unit, rate, elapsedMs, bar }: { done: number; total: number | undefined; unit: string; rate: number; elapsedMs: number; bar: boolean }): string {
  const amount = (number: number) => (unit === 'bytes' ? bytesText(number) : `${numberText(number)}`)
  const named = unit === 'bytes' ? '' : ` ${unit}`
  const speed = `${amount(rate)}/s`
  if (total === undefined) return `${amount(done)}${named}, ${speed}, ${durationText(elapsedMs)}`
  const share = total > 0 ? Math.min(1, done / total) : 1
  const cells = Math.round(share * barWidth)
  const drawn = bar ? `[${'#'.repeat(cells)}${'-'.repeat(barWidth - cells)}] ` : ''
  const rest = done >= total ? durationText(elapsedMs) : rate > 0 ? `${durationText(((total - done) / rate) * 1000)} left` : 'waiting'
  return `${drawn}${Math.floor(share * 100)} %, ${amount(done)} of ${amount(total)}${named}, ${speed}, ${rest}`
}

/** `1234567` → `1,234,567` */
export function numberText(number: number): string {
  return Math.round(number).toLocaleString('en-US')
}

/** `1234567` → `1.2 MB` (powers of 1000) */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`
  const step = Math.min(3, Math.floor(Math.log10(bytes) / 3))
  return `${(bytes / 1000 ** step).toFixed(1)} ${['B', 'kB', 'MB', 'GB'][step]}`
}

/** `3725000` → `1:02:05`, `65000` → `1:05` */
export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000)
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return (parts[0] ? parts : parts.slice(1)).map((part, i) => (i ? String(part).padStart(2, '0') : String(part))).join(':')
}

/** Rows of a work of several steps, such as a restore: one line for each step, by its label. */
export function stepwise<Step extends string>(globals: Globals, labels: Record<Step, string>): { report(step: Step, rows: number, total: number): void; end(): void } {
  let shown: { step: Step; progress: Progress } | undefined
  return {
    report(step, rows, total) {
      if (shown?.step !== step) {
        shown?.progress.end()
        shown = { step, progress: showProgress(globals, { label: labels[step], unit: 'rows', total }) }
      }
      shown.progress.report(rows, total)
    },
    end: () => shown?.progress.end(),
  }
}
