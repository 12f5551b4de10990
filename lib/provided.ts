import type { IKey } from 'aws-cdk-lib/aws-kms'
import type { Construct } from 'constructs'
import { topics } from '../functions/topics.ts'
import { Broker } from './broker.ts'
import { Cache } from './cache.ts'
import { Database } from './database.ts'
import type { Handler } from './handler.ts'
import { type Connection, connectionOf, mayMakeTopics } from './kafka.ts'
import { migrateFirst } from './migration.ts'
import type { Network } from './network.ts'
import { makeSecrets, type Secrets } from './secrets.ts'
import type { Settings, Stage } from './settings.ts'

export type ProvidedProps = { stage: Stage; settings: Settings; network: Network; key: IKey; secrets: Secrets }

/** What the stack makes of the services that handlers need: database, broker and cache, each where the stage's settings say so, and the secrets that go with them. */
export class Provided {
  /** The broker: this stack's, or the one that the settings name. */
  readonly kafka: Connection | undefined
  readonly database: Database | undefined
  readonly broker: Broker | undefined
  readonly cache: Cache | undefined
  private readonly scope: Construct
  private readonly network: Network

  constructor(scope: Construct, props: ProvidedProps) {
    const { settings, key, secrets } = props
    const { database, kafka, redis } = settings
    this.scope = scope
    this.network = props.network
    if (database) makeSecrets(scope, secrets, key)
    this.database = database ? new Database(scope, 'Database', database, props) : undefined
    this.broker = kafka && 'type' in kafka ? new Broker(scope, 'Broker', kafka, props) : undefined
    this.kafka = kafka && !('type' in kafka) ? connectionOf(kafka) : this.broker?.connection
    this.cache = redis && redis !== 'given' ? new Cache(scope, 'Cache', redis, props) : undefined
  }

  /** Tells each handler where they are; what is new in the database and the broker is made before the others of a deployment. */
  connect(handlers: ReadonlyMap<string, Handler>): void {
    for (const handler of handlers.values()) {
      this.database?.connect(handler)
      this.cache?.connect(handler)
    }
    const migrate = handlers.get('migrate')
    if (!this.database || !migrate) return
    if (this.broker)
      mayMakeTopics(
        migrate,
        this.broker.connection,
        topics.map(({ name }) => name),
      )
    // of the network the way to the secrets above all
    const after = [this.network, ...this.database.ready, ...(this.broker ? [this.broker.ready] : []), migrate]
    migrateFirst(this.scope, { migrate, after, before: [...[...handlers.values()].filter((one) => one !== migrate), ...(this.database.proxy ? [this.database.proxy] : [])] })
  }
}
