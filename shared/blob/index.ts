export { breakingStore } from './breaking.ts'
export { fileStore } from './files.ts'
export { assertKey, BlobExists, BlobMissing, type BlobStore, type Stored } from './port.ts'
