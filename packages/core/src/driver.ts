export { z } from 'zod';
export { textOf, toBytes, toNullableBytes } from './bytes.js';
export type { SinkCapabilities, SourceCapabilities, WriteSize } from './capabilities.js';
export type { FileLock } from './checkpoint/file-lock.js';
export { lockFile } from './checkpoint/file-lock.js';
export type { Codec, CodecName } from './codec/codec.js';
export { codecOf } from './codec/codecs.js';
export { parseConfig, secret, secretUrl } from './config.js';
export type {
  CommonOptions,
  Connector,
  ConnectorDescriptor,
  Discovered,
  DriverContext,
  DriverMetrics,
  ErasedConnector,
  SinkDescriptor,
  SinkPositions,
  SinkTarget,
  SourceDescriptor,
  TeardownRequest,
} from './connector.js';
export { contractVersion } from './connector.js';
export { defineConnector, isConnector } from './define-connector.js';
export type { ConnectorDescription } from './describe.js';
export { describeConnector } from './describe.js';
export { makeFolderDurably, removeLeftovers, syncFolder, writeDurably } from './durable-file.js';
export type { Classified, Classify, ErrorCode, Outcome } from './error.js';
export { ConnectorError, isConnectorError, withoutStop, wrapError } from './error.js';
export type { Frames, Framing, FramingName, FramingPosition, Unframer } from './framing/framing.js';
export type { FramingConfigInput } from './framing/framings.js';
export { createFraming, FramingConfig, SinkFramingConfig } from './framing/framings.js';
export type { Header, Message, MessageSchema, Operation, SchemaField, Value } from './message.js';
export { createMessage, noHeaders, withPayload } from './message.js';
export { redactConfig, redactError, redactText, secretsOf } from './redact.js';
export type { BatchFailure, BatchSlice, Checkpoint, SinkBatch, SinkDriver, StoredPosition } from './sink-driver.js';
export { BatchError } from './sink-driver.js';
export type { Position, ReadOptions, SourceBatch, SourceDriver } from './source-driver.js';
export type { Template } from './template.js';
export { parseTemplate, TemplateText } from './template.js';
