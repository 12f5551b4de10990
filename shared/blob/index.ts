export { breakingStore } from './breaking.ts'
export { fileStore } from './files.ts'
export { type Allowed, assertKey, BlobExists, BlobMissing, type BlobStore, type Stored } from './port.ts'
