import { limits } from '../../memory/index.ts'
import { ConvertError, type Converter, cutTo, defined, text } from './converter.ts'
import { idOf } from './identity.ts'

/** memory.jsonl of the MCP reference server: an entity is a memory of what was observed of it, a relation a link between two. */
export const mcp: Converter = {
  takes: 'one {"type":"entity",…} or {"type":"relation",…} a line',
  lists: [],
  convert(record, options) {
    const namespace = options.namespace ?? 'default'
    const entity = (name: string) => idOf('mcp', namespace, options.user_id ?? null, name)
    if (record.type === 'relation') {
      const [from, to, type] = [text(record, 'from'), text(record, 'to'), text(record, 'relationType')]
      return [{ kind: 'link', id: idOf('mcp relation', namespace, options.user_id ?? null, from, to, type), from: entity(from), to: entity(to), type }]
    }
    if (record.type !== 'entity') throw new ConvertError('"type" must be "entity" or "relation"')
    const name = text(record, 'name')
    const entityType = text(record, 'entityType')
    const { observations = [] } = record
    if (!Array.isArray(observations) || observations.some((one) => typeof one !== 'string')) throw new ConvertError('"observations" must be a list of texts')
    return [
      defined({
        id: entity(name),
        namespace,
        text: cutTo([`${name} (${entityType})`, ...observations].join('\n'), limits.text),
        payload: { name, entityType, observations },
        memory_type: 'semantic' as const,
        user_id: options.user_id,
        metadata: { entity_type: entityType },
      }),
    ]
  },
}
