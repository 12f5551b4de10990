import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, open, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, runCommand } from './command.ts'
import { endGuard } from './guard.ts'
import { installKafka } from './kafka-install.ts'

export type RunningKafka = {
  /** Without credentials. */
  bootstrapServers: string
  /** SASL_PLAINTEXT with SCRAM-SHA-256 and SCRAM-SHA-512. */
  sasl: { bootstrapServers: string; username: string; password: string }
  /** kill -9; the data and the ports stay for `start`. */
  crash(): Promise<void>
  /** Starts it again after a crash, on the same ports and data. */
  start(): Promise<void>
  /** Stops the broker and removes its data. It also happens by itself when this process ends, however it ends. */
  stop(): Promise<void>
}

const startMs = 60_000
const username = 'soma'
const jvm = ['-Xms128m', '-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']

/** Starts a Kafka of its own, one KRaft node: new data directory, free ports of 127.0.0.1, random password. Resolves when it serves. */
export async function startKafka(): Promise<RunningKafka> {
  const classPath = await installKafka()
  const home = await mkdtemp(join(tmpdir(), 'soma-kafka-'))
  const guard = guardServer(home)
  let broker: ChildProcess | undefined
  const launch = async () => {
    broker = await startServer(classPath, home)
  }
  const stop = () => endGuard(guard)
  try {
    const password = randomBytes(16).toString('hex')
    const [plain = 0, controller = 0, scram = 0] = [await freePort(), await freePort(), await freePort()]
    await writeFile(join(home, 'log4j2.properties'), logSettings)
    await writeFile(join(home, 'server.properties'), serverSettings(home, plain, controller, scram))
    const users = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => ['--add-scram', `${mechanism}=[name=${username},password=${password}]`])
    const clusterId = randomBytes(16).toString('base64url')
    await runCommand('java', [...javaArguments(classPath, home), 'kafka.tools.StorageTool', 'format', `--cluster-id=${clusterId}`, '-c', join(home, 'server.properties'), ...users])
    await launch()
    return {
      bootstrapServers: `127.0.0.1:${plain}`,
      sasl: { bootstrapServers: `127.0.0.1:${scram}`, username, password },
      async crash() {
        const running = broker
        if (!running || running.exitCode !== null || running.signalCode !== null) return
        running.kill('SIGKILL')
        await once(running, 'exit')
      },
      start: launch,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

const javaArguments = (classPath: string, home: string) => [...jvm, `-Dlog4j2.configurationFile=${join(home, 'log4j2.properties')}`, '-cp', classPath]

async function startServer(classPath: string, home: string): Promise<ChildProcess> {
  const logFile = join(home, 'server.log')
  const log = await open(logFile, 'w')
  const broker = spawn('java', [...javaArguments(classPath, home), 'kafka.Kafka', join(home, 'server.properties')], {
    cwd: home,
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  await once(broker, 'spawn')
  await log.close()
  await writeFile(join(home, 'pid'), String(broker.pid))
  for (const deadline = Date.now() + startMs; Date.now() < deadline; await sleep(100)) {
    const said = await readFile(logFile, 'utf8')
    if (said.includes('Kafka Server started')) return broker
    if (broker.exitCode !== null || broker.signalCode !== null) break
  }
  broker.kill('SIGKILL')
  throw new Error(`Kafka did not start. Its log says:\n${(await readFile(logFile, 'utf8')).split('\n').slice(-40).join('\n')}`)
}

/** Topics are made by `soma topics ensure`, never by a first use. After a kill -9 the broker waits for its own registration to end: 2 s. */
const serverSettings = (home: string, plain: number, controller: number, scram: number) => `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
listeners=PLAINTEXT://127.0.0.1:${plain},CONTROLLER://127.0.0.1:${controller},SASL://127.0.0.1:${scram}
advertised.listeners=PLAINTEXT://127.0.0.1:${plain},SASL://127.0.0.1:${scram}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
log.dirs=${join(home, 'log')}
auto.create.topics.enable=false
offsets.topic.num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=3
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
`

const logSettings = `
rootLogger.level=WARN
rootLogger.appenderRefs=o
rootLogger.appenderRef.o.ref=O
logger.started.name=kafka.server.KafkaRaftServer
logger.started.level=INFO
appender.o.type=Console
appender.o.name=O
appender.o.layout.type=PatternLayout
appender.o.layout.pattern=%d %p %c{1} %m%n
`

/**
 * A shell in a session of its own that waits for the end of its standard input, which is ours to close; the system closes it when we die, even by kill -9.
 * Then it ends the broker and removes its data. The number is checked against the broker's own command line: after a crash it may be another's.
 */
function guardServer(home: string): ChildProcess {
  const script = `cat >/dev/null
pid=$(cat "$0/pid" 2>/dev/null) && grep -q "$0/server.properties" "/proc/$pid/cmdline" 2>/dev/null && kill -9 "$pid"
cd /; sleep 0.2; rm -rf "$0"`
  return spawn('sh', ['-c', script, home], { cwd: home, detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
}
