import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { genesis, hashRow } from '../../shared/audit/chain.ts'
import { checkpointPurpose } from '../../shared/audit/index.ts'
import { isSigned, keyIdOf, signerOf } from '../../shared/signature/index.ts'

const row = { seq: '4711', at: '2026-12-01T08:00:00.123456Z', actor: 'key:ü', action: 'memory.store', target: null, request_id: 'r1', detail: '{"ids": ["a"]}' }

describe('the hash of a row', () => {
  test('is the one that docs/design.md describes, for whoever writes another verifier', () => {
    // by hand: 4 bytes of length, then the bytes; null is ffffffff
    const fields = ['soma audit 1', '101', '7', '4711', row.at, 'key:ü', 'memory.store', null, 'r1', row.detail]
    const hex = fields.map((field) => (field === null ? 'ffffffff' : Buffer.byteLength(field).toString(16).padStart(8, '0') + Buffer.from(field).toString('hex'))).join('')
    const previous = Buffer.alloc(32, 0xab)
    const expected = createHash('sha256')
      .update(Buffer.concat([previous, Buffer.from(hex, 'hex')]))
      .digest('hex')
    expect(hashRow(previous, 101, 7, row).toString('hex')).toBe(expected)
    // what was sealed once has to verify for ever
    expect(hashRow(genesis, 101, 1, row).toString('hex')).toBe('c6b5e06b455dba9a9917c89c97dc79e000abc4f672ddf8f789fec500201f353a')
  })

  test('is another for every field, and for what stands in the next one', () => {
    const others = [
      ...Object.keys(row).map((name) => ({ ...row, [name]: `${row[name as keyof typeof row] ?? ''}x` })),
      { ...row, target: '' },
      { ...row, target: 'r1', request_id: null },
      { ...row, actor: 'key:üm', action: 'emory.store' },
    ].map((one) => hashRow(genesis, 101, 1, one))
    const all = [hashRow(genesis, 101, 1, row), hashRow(genesis, 102, 1, row), hashRow(genesis, 101, 2, row), hashRow(Buffer.alloc(32, 1), 101, 1, row), ...others]
    expect(new Set(all.map((hash) => hash.toString('hex'))).size).toBe(all.length)
  })
})

describe('keys out of SIGNING_KEY', () => {
  const signer = signerOf('a test signing key', checkpointPurpose)

  test('are the same each time, and others for another key or purpose', () => {
    expect(signerOf('a test signing key', checkpointPurpose).publicKey).toBe(signer.publicKey)
    expect(new Set([signer.keyId, signerOf('a test signing key', 'soma drill reports').keyId, signerOf('another', checkpointPurpose).keyId]).size).toBe(3)
    expect([keyIdOf(signer.publicKey), signer.keyId]).toEqual([signer.keyId, expect.stringMatching(/^[0-9a-f]{16}$/)])
  })

  test('sign a text to the byte: another text, signature, spelling of it or key is none', () => {
    const signature = signer.sign('text')
    expect(isSigned('text', signature, signer.publicKey)).toBe(true)
    for (const [text, given, key] of [
      ['text ', signature, signer.publicKey],
      ['text', `${signature}x`, signer.publicKey],
      ['text', signature.replace(/=+$/, ''), signer.publicKey],
      ['text', signer.sign('other'), signer.publicKey],
      ['text', '', signer.publicKey],
      ['text', signature, signerOf('another', checkpointPurpose).publicKey],
      ['text', signature, 'no key'],
    ] as const)
      expect([text, given, isSigned(text, given, key)]).toEqual([text, given, false])
  })
})
