import * as z from 'zod'

/** Schemas that have a name of their own in the OpenAPI document; whatever else an operation takes or answers is named after the operation. */
export const bodies = z.registry<{ id: string }>()
export const answers = z.registry<{ id: string }>()

/** Names what a body holds, as it is sent. */
export function namedBody<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
  bodies.add(schema, { id })
  return schema
}

/** Names what an answer holds, as it is received. */
export function namedAnswer<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
  answers.add(schema, { id })
  return schema
}

export const Time = namedAnswer(
  'Time',
  z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/)
    .meta({ format: 'date-time', description: 'RFC 3339, UTC, with milliseconds' }),
)

/** One page: `next_cursor` goes into the same query to read on, null at the end. */
export const pageOf = <Item extends z.ZodType>(item: Item) => z.strictObject({ items: z.array(item), next_cursor: z.string().nullable() })
