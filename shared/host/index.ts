export { httpDeps, recallDeps } from './deps.ts'
export { lambdaHttp, lambdaJob, lambdaRecords } from './lambda.ts'
export { assembleRuntime, type Databases, openDatabases, type Runtime } from './runtime.ts'
export { httpTask, jobTask, recordsTask } from './task.ts'
