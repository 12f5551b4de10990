import { httpDeps, type Runtime } from '../../shared/host/index.ts'
import type { HttpDeps } from '../../shared/http/index.ts'

export type UsageDeps = HttpDeps
export function usageDeps(runtime: Runtime): UsageDeps {
  return httpDeps(runtime)
}
