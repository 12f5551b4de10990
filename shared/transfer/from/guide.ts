import { canonicalCoord, limits } from '../../memory/index.ts'
import { ConvertError, type Converter, defined, isObject, leavesOf, optionalText, time } from './converter.ts'
import { idOf } from './identity.ts'

const types = ['episodic', 'semantic', 'procedural'] as const

/** The guides' own JSONL: one stored value a line, at its coordinate. What is not a field of ours is the payload, unless there is one. */
export const guide: Converter = {
  takes: 'one stored value a line: coordinate (numbers, or text), payload or fields of its own, memory_type, timestamp',
  lists: [],
  convert(record, options) {
    const { coordinate, coord, payload, memory_type, type, timestamp, importance, namespace: given, ...fields } = record
    const at = coordOf(coordinate ?? coord)
    const memoryType = optionalText({ memory_type: memory_type ?? type }, 'memory_type') ?? 'episodic'
    if (!(types as readonly string[]).includes(memoryType)) throw new ConvertError(`"memory_type" must be one of ${types.join(', ')}`)
    if (payload !== undefined && !isObject(payload)) throw new ConvertError('"payload" must be an object')
    const namespace = options.namespace ?? optionalText({ namespace: given }, 'namespace') ?? 'default'
    const said = payload ?? fields
    const stored = time(timestamp, 'timestamp')
    return [
      defined({
        id: idOf('guide', namespace, options.user_id ?? null, at),
        namespace,
        coord: at,
        text: leavesOf(said, limits.text),
        payload: said,
        memory_type: memoryType as (typeof types)[number],
        user_id: options.user_id,
        importance: typeof importance === 'number' ? Math.min(10, Math.max(0, importance)) : undefined,
        occurred_at: stored,
        created_at: stored,
        updated_at: stored,
      }),
    ]
  },
}

function coordOf(value: unknown): string {
  const text = Array.isArray(value) && value.every((one) => typeof one === 'number') ? value.join(',') : value
  const canonical = typeof text === 'string' ? canonicalCoord(text) : undefined
  if (canonical === undefined) throw new ConvertError('"coordinate" must be a list of 1 to 64 finite numbers, or such a text')
  return canonical
}
