export { lockDirectory } from './lock.ts'
