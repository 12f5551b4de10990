import type { ManifestRow } from '../../functions/manifest.ts'
import type { Synthesised } from './synth.ts'

/** The variables that the stack gives a function: secrets by ARN, other functions by name. */
export function asDeployed(stack: Synthesised, name: string, rows: readonly ManifestRow[]): Record<string, string> {
  const names = new Map(
    rows.map((row) => {
      const on = stack.placed(row.name)
      return [on.on === 'lambda' ? stack.logicalId(on.fn.node.defaultChild) : '', row.name]
    }),
  )
  const resolved = Object.entries(stack.environment(name)).map(([variable, value]) => {
    if (typeof value === 'string') return [variable, value]
    const { 'Fn::GetAtt': got, Ref = got?.[0] } = value as { Ref?: string; 'Fn::GetAtt'?: string[] }
    const [, secret] = /:secret:(soma\/dev\/\w+)/.exec(JSON.stringify(value)) ?? []
    return [variable, secret ? `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${secret}` : (names.get(Ref ?? '') ?? Ref ?? '')]
  })
  return Object.fromEntries(resolved)
}
