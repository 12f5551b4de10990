export { openMilvus } from './open.ts'
