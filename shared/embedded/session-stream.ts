import { Duplex } from 'node:stream'
import type { Session, Supervisor } from './supervise.ts'
import { asksForAnswer, joinBytes, startupAnswer } from './wire.ts'

/** The stand-in for the socket under a pg Client: what is written goes to the engine, what is read is its answer. */
export function sessionStream(engine: Supervisor): Duplex {
  let greeted = false
  let unsent: Uint8Array[] = []

  // pg rejects the running query with this very error, and the pool replaces the client.
  const session: Session = { lost: (error) => stream.destroy(error) }

  function take(bytes: Uint8Array): void {
    if (!greeted) {
      greeted = true // the startup packet: PGlite has one user and one database, there is nothing to choose
      stream.push(startupAnswer())
      return
    }
    unsent.push(bytes)
    if (!asksForAnswer(bytes)) return
    const batch = joinBytes(unsent)
    unsent = []
    engine.run(session, batch, (answer) => {
      if (!stream.destroyed) stream.push(answer)
    })
  }

  const stream = new Duplex({
    read: () => {},
    write: (chunk: Uint8Array, _encoding, done) => {
      take(chunk)
      done()
    },
    writev: (chunks, done) => {
      for (const { chunk } of chunks) take(chunk)
      done()
    },
    final: (done) => {
      done()
      stream.destroy()
    },
    destroy: (error, done) => {
      engine.leave(session)
      done(error)
    },
  })

  const connect = () => {
    engine.ready().then(
      () => stream.destroyed || stream.emit('connect'),
      (error: Error) => stream.destroy(error),
    )
    return stream
  }
  const nothing = () => stream
  return Object.assign(stream, { connect, setNoDelay: nothing, setKeepAlive: nothing, ref: nothing, unref: nothing })
}
