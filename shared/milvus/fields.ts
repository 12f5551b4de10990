import type { DataType, FieldType } from '@zilliz/milvus2-sdk-node'
import { type EngineRow, placeName } from '../vector/index.ts'

/** A place is named by memory and version, so no upsert meets another version. Types are the protocol's numbers: the SDK is loaded on first use. */
const int64 = 5 as DataType.Int64
const double = 11 as DataType.Double
const varChar = 21 as DataType.VarChar
const array = 22 as DataType.Array
const floatVector = 101 as DataType.FloatVector

/** Marks of a memory: 1,000 of its metadata, 64 tags and its ids, at most. */
const mostMarks = 1_200
/** Milvus refuses nulls here before 2.5. No key is 0, and no time is as early. */
export const noUser = 0
export const noTime = -8_640_000_000_000_001

export const fieldsOf = (dimension: number): FieldType[] => [
  { name: 'place', data_type: varChar, is_primary_key: true, max_length: 40 },
  { name: 'tenant', data_type: int64, is_partition_key: true },
  { name: 'memory', data_type: int64 },
  { name: 'version', data_type: int64 },
  { name: 'id', data_type: varChar, max_length: 36 },
  { name: 'namespace', data_type: int64 },
  { name: 'user', data_type: int64 },
  { name: 'recorded', data_type: int64 },
  { name: 'created', data_type: int64 },
  { name: 'occurred', data_type: int64 },
  { name: 'importance', data_type: double },
  { name: 'marks', data_type: array, element_type: int64, max_capacity: mostMarks },
  { name: 'vector', data_type: floatVector, dim: dimension },
]

export const dataOf = (row: EngineRow) => ({
  place: placeName(row),
  tenant: row.tenantId,
  memory: row.memoryKey,
  version: row.version,
  id: row.id,
  namespace: row.namespaceKey,
  user: row.userKey ?? noUser,
  recorded: Math.floor(row.recordedMs),
  created: Math.floor(row.createdMs),
  occurred: row.occurredMs === null ? noTime : Math.floor(row.occurredMs),
  importance: row.importance,
  marks: row.marks,
  vector: Array.from(row.vector),
})
