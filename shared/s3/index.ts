export { type S3Options, s3Store } from './store.ts'
