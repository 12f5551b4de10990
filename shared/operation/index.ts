export {
  createOperation,
  findOperation,
  OperationKind,
  type OperationOut,
  type OperationPart,
  type OperationRow,
  OperationState,
  recordEnded,
  type WorkKind,
} from './operation.ts'
export { type After, type Lease, nextOperation, type Part, runOperations, type Step, type Work, within } from './run.ts'
