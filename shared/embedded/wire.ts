/** The little of the Postgres wire protocol (version 3) that is spoken here and not by pg or PGlite. */

export type Bytes = Uint8Array<ArrayBuffer>

/** A fresh buffer of its own: pg's messages are slices of a shared pool, which must not be transferred to another thread. */
export function joinBytes(parts: readonly Uint8Array[]): Bytes {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

/** The type letters of the messages in `bytes`, which hold whole messages only. */
export function messageTypes(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const types: string[] = []
  for (let at = 0; at + 5 <= bytes.length; at += 1 + view.getUint32(at + 1)) types.push(String.fromCharCode(view.getUint8(at)))
  return types
}

/** True when the session is between two statements after this batch, not in the middle of one that is read page by page. */
export function endsStatement(bytes: Uint8Array): boolean {
  return /[QS]$/.test(messageTypes(bytes).at(-1) ?? '')
}

/** Query, Sync, Flush, Function call and the COPY messages ask for an answer; Parse, Bind, Describe, Execute, Close wait for one of these. */
export function asksForAnswer(bytes: Uint8Array): boolean {
  return /[QSHFdcf]$/.test(messageTypes(bytes).at(-1) ?? '')
}

/** Sync first: after an error in a statement read page by page, everything else would be skipped. */
export function resetSession(): Bytes {
  return joinBytes([message('S', Buffer.alloc(0)), simpleQuery('rollback'), simpleQuery('discard all')])
}

export function simpleQuery(sql: string): Bytes {
  return message('Q', Buffer.from(`${sql}\0`))
}

/** What a server says to a startup packet when it wants no password: AuthenticationOk, BackendKeyData, ReadyForQuery (idle). */
export function startupAnswer(): Bytes {
  return joinBytes([message('R', Buffer.alloc(4)), message('K', Buffer.alloc(8)), message('Z', Buffer.from('I'))])
}

function message(type: string, body: Buffer): Bytes {
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeUInt32BE(body.length + 4, 1)
  return joinBytes([head, body])
}
