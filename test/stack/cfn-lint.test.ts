import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { computeNames } from '../../lib/context.ts'
import { stageNames } from '../../lib/settings.ts'
import { requireService } from '../support/services.ts'
import { synth, temporary } from './synth.ts'

const linter = requireService('CFN_LINT_PATH')
const often = [
  { stage: 'dev', compute: 'lambda', context: { size: 'small' } },
  { stage: 'prod', compute: 'lambda' },
] as const
const stacks = process.env.SOMA_FULL === '1' ? [...often, ...stageNames.flatMap((stage) => computeNames.map((compute) => ({ stage, compute })))] : often

/** W3005: the CDK names dependencies twice. */
function lint(templates: string[]): string {
  const main = 'from cfnlint.runner import main; main()'
  const { stdout, stderr } = spawnSync('python3', ['-c', main, '--ignore-checks', 'W3005', '--format', 'parseable', '-t', ...templates], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, PYTHONPATH: linter as string, AWS_DEFAULT_REGION: 'eu-central-1' },
  })
  return `${stdout}${stderr}`
}

describe.skipIf(!linter)(`cfn-lint${linter ? '' : ' (skipped: no CFN_LINT_PATH)'}`, () => {
  test('has nothing to say of the templates', () => {
    const templates = stacks.flatMap((one) => {
      const { outdir } = synth({ ...one, own: true })
      return readdirSync(outdir)
        .filter((file) => file.endsWith('.template.json'))
        .map((file) => join(outdir, file))
    })
    // the stage's stack and the one of its alarms, of each
    expect(templates.length).toBe(2 * stacks.length)
    expect(lint(templates)).toBe('')
  }, 120_000)

  test('would have', () => {
    const file = join(temporary(), 'wrong.template.json')
    writeFileSync(file, JSON.stringify({ Resources: { Bucket: { Type: 'AWS::S3::Bucket', Properties: { BucketNaem: 'soma' } } } }))
    expect(lint([file])).toContain("'BucketNaem' was unexpected")
  })
})
