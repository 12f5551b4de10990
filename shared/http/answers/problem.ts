import * as z from 'zod'
import { type FieldError, type ProblemCode, problems } from '../../problem/index.ts'
import { namedAnswer } from './components.ts'

export const Field = namedAnswer(
  'FieldError',
  z.strictObject({ pointer: z.string().meta({ description: 'a JSON pointer into the body, or / and the name of a parameter' }), detail: z.string() }),
) satisfies z.ZodType<FieldError>

export const Code = z.enum(Object.keys(problems) as [ProblemCode, ...ProblemCode[]])

/** RFC 9457, with the code that programs go by. */
export const Problem = namedAnswer(
  'Problem',
  z.strictObject({
    type: z.string().meta({ description: 'urn:soma:problem:<code>' }),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string().meta({ description: 'what to do, as a sentence' }),
    instance: z.string().meta({ description: 'the path of the request' }),
    code: Code,
    request_id: z.string(),
    errors: z.array(Field).optional(),
  }),
)
export type ProblemBody = z.output<typeof Problem>
