import { limits } from '../../memory/index.ts'
import { ConvertError, type Converter, defined, isObject, leavesOf, text, time } from './converter.ts'
import { idOf } from './identity.ts'

/** A LangGraph store table: what `select row_to_json(store) from store` prints, one row a line, or a list of them. The prefix is the namespace, the value the payload. */
export const langgraph: Converter = {
  takes: 'one row of the table store a line, as row_to_json writes it, or a list of them',
  lists: [],
  convert(record, options) {
    const { key, value, created_at, updated_at, expires_at } = record
    const prefix = text(record, 'prefix')
    const name = text({ key }, 'key')
    if (!isObject(value)) throw new ConvertError('"value" must be an object')
    const namespace = options.namespace ?? prefix
    // what most stores call the text they are searched by
    const said = [value.text, value.content, value.memory].find((one) => typeof one === 'string' && one.trim() !== '' && Buffer.byteLength(one) <= limits.text)
    const created = time(created_at, 'created_at')
    return [
      defined({
        id: idOf('langgraph', namespace, options.user_id ?? null, prefix, name),
        namespace,
        text: (said as string | undefined) ?? leavesOf(value, limits.text),
        payload: value,
        memory_type: 'semantic' as const,
        user_id: options.user_id,
        metadata: { langgraph_prefix: prefix, langgraph_key: name },
        expires_at: time(expires_at, 'expires_at'),
        created_at: created,
        updated_at: time(updated_at, 'updated_at') ?? created,
      }),
    ]
  },
}
