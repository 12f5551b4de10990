import * as z from 'zod'
import { type ProblemCode, problems } from '../../problem/index.ts'
import type { ImportReport } from '../../transfer/index.ts'
import { namedAnswer } from './components.ts'

const count = z.number().int().min(0)

export const Imported = namedAnswer(
  'Imported',
  z
    .strictObject({
      lines: count.meta({ description: 'those that are not empty: each is imported, duplicate or failed' }),
      imported: count.meta({ description: 'memories' }),
      versions: count,
      links: count,
      duplicate: count.meta({ description: 'here already, with the same content' }),
      failed: count,
      errors: z
        .array(z.strictObject({ line: z.number().int().min(1), code: z.enum(Object.keys(problems) as ProblemCode[]), detail: z.string(), pointer: z.string().optional() }))
        .max(100)
        .meta({ description: 'the first hundred, in the order of the file' }),
      more_errors: count,
    })
    .meta({ description: 'What became of the lines; a 200 although some failed' }),
) satisfies z.ZodType<ImportReport>
