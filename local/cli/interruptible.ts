/** Work that SIGTERM or Ctrl-C ends in order, by its signal; it can be told of only once it is listened for. A second one does not wait. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ending = new AbortController()
  const end = () => (ending.signal.aborted ? process.exit(130) : ending.abort())
  process.on('SIGINT', end).on('SIGTERM', end)
  try {
    return await work(ending.signal)
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end)
  }
}
