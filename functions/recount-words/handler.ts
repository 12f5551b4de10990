import type { JobHandler } from '../../shared/handler/index.ts'
import { recountWords } from '../../shared/words/index.ts'
import type { RecountWordsDeps } from './deps.ts'

/** Counts the words of what an older revision of the tokenizer has counted again; recall finds it all the while. */
export function createRecountWords({ worker }: RecountWordsDeps): JobHandler {
  return (signal) => recountWords(worker, signal)
}
