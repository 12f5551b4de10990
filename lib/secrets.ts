import { Stack } from 'aws-cdk-lib'
import { type IPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import { type ISecret, Secret, type SecretStringGenerator } from 'aws-cdk-lib/aws-secretsmanager'
import type { Construct } from 'constructs'
import type { ManifestRow } from '../functions/manifest.ts'
import type { Settings } from './settings.ts'

/** What a stack that makes its database makes up by itself: as long as their variables ask for, and of what is safe in a header, an environment and a URL. */
const madeUp: Record<string, SecretStringGenerator> = {
  SIGNING_KEY: { passwordLength: 48, excludePunctuation: true },
  METRICS_TOKEN: { passwordLength: 40, excludePunctuation: true },
  SOMA_API_TOKEN: { passwordLength: 40, excludePunctuation: true },
  // 32 bytes as hexadecimal digits
  BACKUP_KEY: { passwordLength: 64, excludePunctuation: true, excludeUppercase: true, excludeCharacters: 'ghijklmnopqrstuvwxyz' },
}

/**
 * The secrets a row really needs in a stage: a broker's password only where the broker asks for one, Redis' URL only where there is a Redis, the token
 * of Milvus only where it takes one, the key of an embedding service only where one is asked. One that is named and not there keeps a function from starting.
 */
export function secretsOf(row: ManifestRow, { kafka, redis, milvus, nextEmbedderKey, database, variables }: Settings): readonly string[] {
  const there: Record<string, boolean> = {
    KAFKA_SASL_PASSWORD: kafka !== null && 'auth' in kafka && kafka.auth.mechanism === 'scram',
    REDIS_URL: redis !== null,
    MILVUS_TOKEN: milvus?.token ?? false,
    EMBEDDING_API_KEY: variables.EMBEDDER === 'http',
    EMBEDDING_NEXT_API_KEY: nextEmbedderKey,
  }
  return [...row.secrets, ...(database ? (row.newDatabaseSecrets ?? []) : [])].filter((name) => there[name] ?? true)
}

/** Where each secret is: one that this stack makes, encrypted by its key, or the one that somebody has put at `<secretPrefix>/<name>`. */
export class Secrets {
  private readonly made = new Map<string, ISecret>()
  private readonly prefix: string
  private readonly key: IKey

  constructor({ secretPrefix }: Pick<Settings, 'secretPrefix'>, key: IKey) {
    this.prefix = secretPrefix
    this.key = key
  }

  add(name: string, secret: ISecret): void {
    this.made.set(name, secret)
  }

  /** For `scope` alone: what it is granted is no part of the secret or of its key. */
  of(scope: Construct, name: string): ISecret {
    const made = this.made.get(name)
    return made ? Secret.fromSecretCompleteArn(scope, name, made.secretArn) : Secret.fromSecretNameV2(scope, name, `${this.prefix}/${name}`)
  }

  /** The right to read them. Of the key too, by the handler's own policy: one in the key's policy would have the key wait for the handler, and the handler waits for the database that the key encrypts. */
  grant(principal: IPrincipal, secrets: readonly ISecret[]): void {
    for (const secret of secrets) secret.grantRead(principal)
    if (!this.made.size || !secrets.length) return
    const { region, urlSuffix } = Stack.of(this.key)
    const conditions = { StringEquals: { 'kms:ViaService': `secretsmanager.${region}.${urlSuffix}` } }
    principal.addToPrincipalPolicy(new PolicyStatement({ actions: ['kms:Decrypt'], resources: [this.key.keyArn], conditions }))
  }
}

/** Makes up the keys and tokens that nobody has to know beforehand. */
export function makeSecrets(scope: Construct, secrets: Secrets, key: IKey): void {
  for (const [name, generateSecretString] of Object.entries(madeUp)) {
    secrets.add(name, new Secret(scope, idOf(name), { description: `Soma Memory: ${name}`, encryptionKey: key, generateSecretString }))
  }
}

const idOf = (name: string): string => name.toLowerCase().replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase())
