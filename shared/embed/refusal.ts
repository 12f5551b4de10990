import { AppError } from '../problem/index.ts'

/** A text that every model takes: whether it does tells a server that is at fault from one that does not take some other text. */
export const plainText = 'Is the embedder there?'

/** The server is there, and does not take what it was sent. */
export const isRefusal = (error: unknown): error is AppError => error instanceof AppError && error.code === 'invalid'
