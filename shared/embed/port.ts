/** Turns texts into unit vectors of `dimension` numbers, in order. Two implementations ship: hash and http. */
export type Embedder = { model: string; dimension: number; embed(texts: string[], signal?: AbortSignal): Promise<Float32Array[]> }
