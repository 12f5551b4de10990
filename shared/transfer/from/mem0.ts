import { ConvertError, type Converter, defined, isObject, optionalText, text, time } from './converter.ts'
import { idOf } from './identity.ts'

/** mem0's export: what `get_all` answers or a job of the platform writes, one object a memory. Its id and unknown fields are kept in the metadata. */
export const mem0: Converter = {
  takes: 'a JSON document {"results":[…]} or {"memories":[…]}, a list, or one memory a line',
  lists: ['results', 'memories'],
  convert(record, options) {
    const { id, memory, hash: _hash, metadata, created_at, updated_at, user_id, agent_id, app_id, run_id, actor_id, categories, expiration_date, score: _score, ...others } = record
    if (metadata !== undefined && metadata !== null && !isObject(metadata)) throw new ConvertError('"metadata" must be an object')
    const tags = (Array.isArray(categories) ? categories : []).filter((one): one is string => typeof one === 'string' && one !== '')
    const source = text({ id }, 'id')
    const namespace = options.namespace ?? 'default'
    const user = optionalText({ user_id }, 'user_id') ?? options.user_id
    const created = time(created_at, 'created_at')
    const updated = time(updated_at, 'updated_at') ?? created
    return [
      defined({
        id: idOf('mem0', namespace, user ?? null, source),
        namespace,
        text: text({ memory: memory ?? record.text }, 'memory'),
        memory_type: 'semantic' as const,
        user_id: user,
        agent_id: optionalText({ agent_id }, 'agent_id'),
        app_id: optionalText({ app_id }, 'app_id'),
        run_id: optionalText({ run_id }, 'run_id'),
        speaker: optionalText({ actor_id }, 'actor_id'),
        metadata: { ...others, ...(metadata ?? {}), mem0_id: source },
        tags: [...new Set(tags)].slice(0, 64),
        expires_at: time(expiration_date, 'expiration_date'),
        // a clock of theirs may have run backwards
        created_at: created && updated && updated < created ? updated : created,
        updated_at: updated,
      }),
    ]
  },
}
