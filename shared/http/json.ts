import { checkJson } from '../json/index.ts'
import { AppError, type FieldError } from '../problem/index.ts'

/** Reads a JSON body of at most `maxBytes`, chunked or not. @throws AppError unsupported_media_type, too_large, malformed, invalid */
export async function readJson(request: Request, maxBytes: number): Promise<unknown> {
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/(?:[\w.+-]+\+)?json\b/i.test(type)) throw new AppError('unsupported_media_type', 'Send JSON with "Content-Type: application/json".')
  const text = await readText(request, maxBytes)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new AppError('malformed', 'The body is not JSON.', { cause })
  }
  const errors: FieldError[] = []
  checkJson(value, '', 1, errors)
  if (errors.length) throw new AppError('invalid', 'The body holds values that cannot be stored.', { errors: errors.slice(0, 20) })
  return value
}

async function readText(request: Request, maxBytes: number): Promise<string> {
  const bytes = await readBytes(request, maxBytes)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new AppError('malformed', 'The body is not UTF-8.', { cause })
  }
}

async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () => new AppError('too_large', `The body takes at most ${maxBytes} bytes: send less, or several requests.`)
  const declared = request.headers.get('content-length')
  if (declared !== null) {
    if (Number(declared) > maxBytes) throw tooLarge()
    // the host holds a body to its declared length, and reads it whole without the cost of a web stream
    const bytes = new Uint8Array(await request.arrayBuffer())
    if (bytes.byteLength > maxBytes) throw tooLarge()
    return bytes
  }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength
    if (size > maxBytes) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
