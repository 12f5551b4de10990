export { createOperation, getOperation, OperationKind, type OperationOut, recordEnded } from './operation.ts'
export { runOperations, type Step, type Work } from './run.ts'
