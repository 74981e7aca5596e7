export type { SinkCapabilities, SourceCapabilities, WriteSize } from './capabilities.js';
export { fileCheckpoints } from './checkpoint/file-store.js';
export { memoryCheckpoints } from './checkpoint/memory-store.js';
export type { CheckpointClaim, CheckpointStore } from './checkpoint/store.js';
export type { Codec, CodecName } from './codec/codec.js';
export { parseConfig } from './config.js';
export type { CommonOptions, Connector, Discovered, ErasedConnector } from './connector.js';
export { isConnector } from './define-connector.js';
export { describeConnector } from './describe.js';
export type { DeadLetter, Original } from './engine/dead-letter.js';
export type { Owner } from './engine/plan.js';
export type { ConfigIssue, ErrorCode, Outcome } from './error.js';
export { ConnectorError, errorOutcomes, isConnectorError } from './error.js';
export type { Delivery, Guarantee } from './guarantee.js';
export type { Header, Message, MessageSchema, Operation, SchemaField, Value } from './message.js';
export { createMessage, noHeaders, withPayload } from './message.js';
export type { OpenSink, OpenSinkSettings } from './open-sink.js';
export type { Pipeline } from './pipeline.js';
export { pipeline } from './pipeline.js';
export type {
  BatchSettings,
  BranchDefinition,
  BudgetSettings,
  DeadLetterDefinition,
  FlushSettings,
  PipelineDefinition,
  PipelineEvent,
  PipelineStats,
  RetrySettings,
} from './pipeline-definition.js';
export type { ReadBatch, ReadSettings } from './read.js';
export { redactConfig } from './redact.js';
export type { Sink } from './sink.js';
export type { BatchFailure, Checkpoint, StoredPosition } from './sink-driver.js';
export { BatchError } from './sink-driver.js';
export type { Source } from './source.js';
export type { Position } from './source-driver.js';
export type { FilterFunction, FlatMapFunction, MapFunction, Transform } from './transform.js';
export { filter, flatMap, map } from './transform.js';
