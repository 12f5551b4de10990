import { zstdCompressSync } from 'node:zlib'
import kafkajs from 'kafkajs'

// A producer with a codec that the product does not have: `<broker> <topic> snappy|zstd <value>…`
const [bootstrap = '', topic = '', codec, ...values] = process.argv.slice(2)

/** Snappy's block format with literals only: the length as a varint, then runs of at most 60 bytes, each behind its tag. */
function snappy(bytes: Buffer): Buffer {
  const out: number[] = []
  for (let left = bytes.length; ; left >>>= 7) {
    out.push(left > 127 ? (left & 127) | 128 : left)
    if (left <= 127) break
  }
  for (let from = 0; from < bytes.length; from += 60) {
    const run = bytes.subarray(from, from + 60)
    out.push((run.length - 1) << 2, ...run)
  }
  return Buffer.from(out)
}

const type = codec === 'zstd' ? kafkajs.CompressionTypes.ZSTD : kafkajs.CompressionTypes.Snappy
const compress = async ({ buffer }: { buffer: Buffer }) => (codec === 'zstd' ? zstdCompressSync(buffer) : snappy(buffer))
;(kafkajs.CompressionCodecs as Record<number, unknown>)[type] = () => ({ compress, decompress: async (bytes: Buffer) => bytes })

const producer = new kafkajs.Kafka({ brokers: [bootstrap] }).producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
await producer.connect()
await producer.send({ topic, compression: type, messages: values.map((value) => ({ key: 'k', value })) })
await producer.disconnect()
