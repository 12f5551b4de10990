import { httpDeps, journalReader, type Runtime } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'
import type { JournalReader } from '../../shared/journal/index.ts'

export type OperationsDeps = HttpDeps & { journal: JournalReader | undefined }
export const operationsDeps = (runtime: Runtime): OperationsDeps => ({ ...httpDeps(runtime), journal: journalReader(runtime.config) })
