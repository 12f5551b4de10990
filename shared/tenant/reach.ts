import * as z from 'zod'

export const KeyReach = z.strictObject({ namespaces: z.array(z.string()).optional() })
export type KeyReach = z.output<typeof KeyReach>
