import { httpDeps, journalReader, type Runtime, transferDeps } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'
import type { JournalReader } from '../../shared/journal/index.ts'
import type { Store } from '../../shared/transfer/index.ts'

export type OperationsDeps = HttpDeps & { journal: JournalReader | undefined; transfers: Store }
export const operationsDeps = (runtime: Runtime): OperationsDeps => ({ ...httpDeps(runtime), ...transferDeps(runtime), journal: journalReader(runtime.config) })
