/**
 * What is embedded of a memory. A turn of a dialogue says little by itself ("Yes, last week."), so models with this suffix embed it behind the turn before it in its
 * session. The suffix belongs to the stored model's name: vectors of two texts are those of two models, and are never compared.
 */
const suffix = '+previous-turn'
export const withPreviousTurn = (model: string): string => `${model}${suffix}`
export const takesPreviousTurn = (model: string): boolean => model.endsWith(suffix)
/** The model's name without what is said of its texts: what the server knows. */
export const baseModel = (model: string): string => (takesPreviousTurn(model) ? model.slice(0, -suffix.length) : model)

export type Said = { text: string; speaker: string | null }
export type Turn = Said & { previous?: Said | null | undefined }

/**
 * Characters (UTF-16 code units): of the previous turn at most so many, its last, where a question stands; and none beyond a whole of so many, which is what a model of
 * 256 tokens reads. So a long memory stands for itself, and is never cut for its neighbour's sake.
 */
export const previousTurn = { most: 400, whole: 1_000 } as const

/** `characters`: of a text the most that the model takes. */
export function textOfTurn(model: { model: string; characters?: number | undefined }, turn: Turn): string {
  if (!takesPreviousTurn(model.model)) return turn.text
  const own = line(turn)
  const room = Math.min(previousTurn.most, Math.min(previousTurn.whole, model.characters ?? Number.POSITIVE_INFINITY) - own.length - 1)
  const before = turn.previous ? beginCut(turn.previous, room) : ''
  return before ? `${before}\n${own}` : own
}

const line = ({ speaker, text }: Said): string => (speaker ? `${speaker}: ${text}` : text)

/** The end of a text under its speaker's name, or nothing where no more than the name would be left. */
function beginCut({ speaker, text }: Said, room: number): string {
  const left = room - (speaker ? speaker.length + 2 : 0)
  if (left <= 0 || !text) return ''
  // half a character is no character
  return line({ speaker, text: text.length <= left ? text : text.slice(-left).replace(/^[\udc00-\udfff]/, '') })
}
