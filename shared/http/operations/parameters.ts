import * as z from 'zod'
import type { Parameter } from './operation.ts'

/** The parameters that several operations take. */
export const cursor = { cursor: { description: 'next_cursor of the page before', schema: z.string() } } satisfies Record<string, Parameter>
export const memoryId = { id: { description: 'the id of a memory', schema: z.uuid() } } satisfies Record<string, Parameter>
