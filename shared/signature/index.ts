export { isSigned, keyIdOf, type Signer, signerOf } from './signer.ts'
