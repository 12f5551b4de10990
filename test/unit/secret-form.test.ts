import { describe, expect, test } from 'vitest'
import { secretText } from '../../shared/aws/secret-form.ts'

const login = { engine: 'postgres', host: 'db.internal', port: 5433, dbname: 'soma', username: 'soma_requests', password: 'p@:/ %' }

describe('a secret', () => {
  test.each([
    ['plain text', 'plain text'],
    ['{"value":"inside"}', 'inside'],
    [JSON.stringify(login), 'postgres://soma_requests:p%40%3A%2F%20%25@db.internal:5433/soma'],
    [JSON.stringify({ ...login, port: undefined, dbname: undefined }), 'postgres://soma_requests:p%40%3A%2F%20%25@db.internal:5432/somamemory'],
    [JSON.stringify({ engine: 'redis', password: 'secret', host: 'cache.internal' }), 'rediss://:secret@cache.internal:6379'],
  ])('%s', (secret, text) => {
    expect(secretText(secret)).toBe(text)
  })

  test('of a login is reached by another host where one is named', () => {
    expect(new URL(secretText(JSON.stringify(login), 'proxy.internal')).hostname).toBe('proxy.internal')
    expect(secretText(JSON.stringify({ password: 'secret' }), 'cache.internal')).toBe('rediss://:secret@cache.internal:6379')
  })

  test('keeps its password through the URL', () => {
    expect(decodeURIComponent(new URL(secretText(JSON.stringify(login))).password)).toBe(login.password)
  })

  test.each([
    ['{"user":"soma"}', 'takes the form {"value": "…"}'],
    ['{"value":1}', 'takes the form {"value": "…"}'],
    ['{"password":"secret"}', 'names no host'],
    ['{"password":"secret","host":"h","engine":"mysql"}', 'of another engine'],
    ['{broken secret', 'JSON'],
  ])('%s is refused, without saying it', (secret, message) => {
    expect(() => secretText(secret)).toThrow(message)
    try {
      secretText(secret)
    } catch (error) {
      expect(String(error)).not.toContain('secret"')
    }
  })
})
