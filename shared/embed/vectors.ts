import { DependencyFailure } from '../breaker/index.ts'
import { AppError } from '../problem/index.ts'

/** Unit vectors of what a server answered. @throws DependencyFailure on another dimension, AppError invalid on one without a direction */
export function checkedVectors(answered: number[][], dimension: number): Float32Array[] {
  const other = answered.find((numbers) => numbers.length !== dimension)
  if (other) throw new DependencyFailure(`the embedding server answered vectors of ${other.length} numbers, and EMBEDDING_DIM is ${dimension}: set it to what the model gives`)
  return answered.map(unit)
}

function unit(numbers: number[]): Float32Array {
  // in doubles: a square that a float cannot hold would make a good vector one without length
  const norm = Math.hypot(...numbers)
  if (!Number.isFinite(norm) || norm === 0) throw withoutDirection()
  return Float32Array.from(numbers, (value) => value / norm)
}

/** It may be the text's fault, so it is none of the server's until another text fares alike. */
export function withoutDirection(): AppError {
  return new AppError('invalid', 'The embedding server answered a vector without a direction: zeros, or what is no number.')
}

/** pgvector's text form of a vector. */
export function vectorText(vector: Float32Array): string {
  return `[${vector.join(',')}]`
}
