import type { JobHandler } from '../../shared/handler/index.ts'
import { verifyVectors } from '../../shared/model/index.ts'
import type { VerifyIndexDeps } from './deps.ts'

/** Holds all vectors against the memories, and a second engine's against those; mends what differs, and keeps what it found for the metrics. */
export function createVerifyIndex({ verify, onChecked }: VerifyIndexDeps): JobHandler {
  return async (signal) => {
    const report = await verifyVectors(verify, signal)
    onChecked(report.detail ?? {})
    return report
  }
}
