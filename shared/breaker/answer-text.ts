import { DependencyFailure } from './port.ts'

/** What a server answers as text, as it comes, and no more than that. @throws DependencyFailure with `tooLong`; what a broken connection throws */
export async function answerText(response: Response, most: number, tooLong: string): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece, { stream: true })
    if (text.length > most) throw new DependencyFailure(tooLong)
  }
  return text + decoder.decode()
}
