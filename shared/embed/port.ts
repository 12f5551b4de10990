/** Some models embed what is asked otherwise than what is kept. */
export type EmbedPurpose = 'document' | 'query'
/** `tenant`: whose texts they are. They are documents unless told otherwise. */
export type EmbedCall = { tenant?: string | undefined; signal?: AbortSignal | undefined; purpose?: EmbedPurpose }

/** Turns texts into unit vectors of `dimension` numbers, in order. Three implementations ship: hash, http and bedrock. */
export type Embedder = {
  /** As its vectors are named: the server's name of it, and what is said of its texts. */
  model: string
  dimension: number
  /** Of a text the most that are embedded; absent: any. */
  characters?: number
  /** @throws AppError unavailable when the server cannot be used now, invalid when it answered that it does not take the request */
  embed(texts: string[], call?: EmbedCall): Promise<Float32Array[]>
}

/** One request to a server. @throws DependencyFailure when the server failed, AppError invalid when it refused */
export type EmbedBatch = (texts: string[], signal: AbortSignal, purpose: EmbedPurpose) => Promise<Float32Array[]>
