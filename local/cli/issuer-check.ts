import { createBreakers } from '../../shared/breaker/index.ts'
import { type Config, jwtSettings } from '../../shared/config/index.ts'
import { createTokens } from '../../shared/jwt/index.ts'
import { type Check, check } from './checks.ts'

/** Whether the keys of the issuer that JWT_ISSUER names can be had; nothing where no token is taken. */
export async function issuerChecks(config: Config): Promise<Check[]> {
  const settings = jwtSettings(config)
  if (!settings) return []
  const breakers = createBreakers({ failures: config.BREAKER_FAILURES, openMs: config.BREAKER_OPEN_SECONDS * 1000 }, () => {})
  const ask = async () => {
    await createTokens(config, breakers)?.ask?.()
    const where = { discovery: 'its discovery document', url: 'JWKS_URL', pem: 'JWT_PUBLIC_KEY_PATH' }[settings.keys.from]
    return `Tokens of ${settings.issuer} for ${settings.audience.join(', ')} are taken; the keys of it were found by ${where}.`
  }
  return [await check('issuer', ask, 'No token can be verified by a process that has not had its keys before.')]
}
