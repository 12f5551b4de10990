const mebibyte = 1024 * 1024
const day = 24 * 60 * 60 * 1000

/** The broker unpacks what other producers compress: the consumers' library reads gzip and nothing else. */
const unpacked = { 'compression.type': 'uncompressed' } as const

/** Kafka's topics, for `soma topics ensure`; the settings have the broker's own names. */
export const topics = [
  {
    name: 'memory.events',
    partitions: 6,
    replication: 3,
    settings: {
      'cleanup.policy': 'compact,delete',
      'retention.ms': String(30 * day),
      // well above any lag: no version is compacted away before every consumer has it
      'min.compaction.lag.ms': String(7 * day),
      ...unpacked,
    },
  },
  {
    name: 'memory.events.dlq',
    partitions: 1,
    replication: 3,
    // a dead letter is its record with headers about where it came from, so it is larger
    settings: { 'cleanup.policy': 'delete', 'retention.ms': String(30 * day), 'max.message.bytes': String(2 * mebibyte), ...unpacked },
  },
  {
    name: 'soma.audit',
    partitions: 6,
    replication: 3,
    // whoever keeps audit records for longer reads them from here; the database has all of them
    settings: { 'cleanup.policy': 'delete', 'retention.ms': String(30 * day), ...unpacked },
  },
] as const
