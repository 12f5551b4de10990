import { describe, expect, it } from 'vitest'
import { bytesText, durationText, numberText, showProgress } from '../../local/cli/progress.ts'

function screen(isTTY: boolean) {
  let time = 0
  const written: string[] = []
  const out = { isTTY, columns: 100, write: (text: string) => written.push(text) }
  return { written, out, now: () => time, pass: (ms: number) => (time += ms) }
}

describe('progress', () => {
  it('draws one line over on a terminal, with a share, a rate and the time left', () => {
    const at = screen(true)
    const progress = showProgress({}, { label: 'Importing', unit: 'lines', total: 1000, out: at.out, now: at.now })
    at.pass(1_000)
    progress.report(250)
    expect(at.written).toEqual(['\r\u001b[KImporting: [######------------------] 25 %, 250 of 1,000 lines, 250/s, 0:03 left'])
    at.pass(10)
    progress.report(260)
    expect(at.written).toHaveLength(1)
    at.pass(990)
    progress.report(1000)
    progress.end()
    expect(at.written.slice(-2)).toEqual(['\r\u001b[KImporting: [########################] 100 %, 1,000 of 1,000 lines, 500/s, 0:02', '\n'])
  })

  it('writes a plain line every five seconds where there is no terminal', () => {
    const at = screen(false)
    const progress = showProgress({}, { label: 'Exporting', unit: 'memories', out: at.out, now: at.now })
    for (let second = 1; second <= 12; second++) {
      at.pass(1_000)
      progress.report(second * 1500)
    }
    progress.end()
    expect(at.written).toEqual(['Exporting: 7,500 memories, 1,500/s, 0:05\n', 'Exporting: 15,000 memories, 1,500/s, 0:10\n', 'Exporting: 18,000 memories, 1,500/s, 0:12\n'])
  })

  it('says nothing with --json', () => {
    const at = screen(true)
    const progress = showProgress({ json: true }, { label: 'Importing', unit: 'bytes', total: 10, out: at.out, now: at.now })
    at.pass(60_000)
    progress.report(5)
    progress.end()
    expect(at.written).toEqual([])
  })

  it('cuts its line to the width of the terminal', () => {
    const at = screen(true)
    at.out.columns = 30
    const progress = showProgress({}, { label: 'Importing', unit: 'lines', total: 1000, out: at.out, now: at.now })
    at.pass(1_000)
    progress.report(1)
    expect(at.written[0]).toHaveLength('\r\u001b[K'.length + 29)
  })

  it('takes a total that becomes known, or grows, on the way', () => {
    const at = screen(false)
    const progress = showProgress({}, { label: 'Backing up', unit: 'bytes', out: at.out, now: at.now })
    at.pass(5_000)
    progress.report(5_000_000, 20_000_000)
    expect(at.written).toEqual(['Backing up: 25 %, 5.0 MB of 20.0 MB, 1.0 MB/s, 0:15 left\n'])
  })

  it('writes numbers, bytes and durations for people', () => {
    expect([999, 1234567].map(numberText)).toEqual(['999', '1,234,567'])
    expect([0, 999, 1000, 1_234_567, 5e9, 5e12].map(bytesText)).toEqual(['0 B', '999 B', '1.0 kB', '1.2 MB', '5.0 GB', '5000.0 GB'])
    expect([0, 65_000, 3_725_000].map(durationText)).toEqual(['0:00', '1:05', '1:02:05'])
  })
})
