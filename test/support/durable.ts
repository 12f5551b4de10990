import { type RunningPostgres, startPostgres } from '../../local/services/postgres.ts'
import { openProduct, type Product } from './engines.ts'

/** What is stopped, or killed, needs a server of its own, which the other suites do not notice; and a durable one, as an answered store must not be lost by a crash. */
export async function openDurable(): Promise<{ postgres: RunningPostgres; product: Product; close(): Promise<void> }> {
  await using undo = new AsyncDisposableStack()
  const postgres = await startPostgres({ major: 18, fsync: true })
  undo.defer(postgres.stop)
  const { product, close } = await openProduct('postgres 18', postgres.url)
  undo.defer(close)
  const all = undo.move()
  return { postgres, product, close: () => all.disposeAsync() }
}
