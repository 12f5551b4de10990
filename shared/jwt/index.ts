export type { TokenClaims } from './claims.ts'
export { type Times, usualTimes } from './issuer-keys.ts'
export { algorithms, createTokens, looksLikeToken, type Tokens, type VerifyToken } from './verify.ts'
