import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { installOnce } from './cache.ts'
import { runCommand } from './command.ts'

// 4.4.0 is the newest, but one of its dependencies was never published.
const version = '4.3.1'
const pom = `<project><modelVersion>4.0.0</modelVersion><groupId>soma</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
 <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${version}</version></dependency>
 <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
</dependencies></project>
`

/** Installs Kafka's jars from Maven Central when they are absent: 10 s and 43 MB. Answers the class path. @throws Error without Java 17 or Maven */
export async function installKafka(): Promise<string> {
  await runCommand('java', ['-version']).catch((cause: unknown) => {
    throw new Error('Kafka runs on Java: install 17 or newer (Debian: `apt-get install openjdk-17-jre-headless`), or set KAFKA_BOOTSTRAP_SERVERS to a broker that is there.', {
      cause,
    })
  })
  const folder = await installOnce(`kafka-${version}`, async (target) => {
    await runCommand('mvn', ['-version']).catch((cause: unknown) => {
      throw new Error('Kafka comes from Maven Central: install Maven (Debian: `apt-get install maven`).', { cause })
    })
    await writeFile(join(target, 'pom.xml'), pom)
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${join(target, 'libs')}`]
    await runCommand('mvn', ['-q', '-B', '-ntp', '-f', join(target, 'pom.xml'), ...goal], { cwd: target })
  })
  return join(folder, 'libs/*')
}
