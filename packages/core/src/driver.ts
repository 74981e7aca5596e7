export { z } from 'zod';
export type { SinkCapabilities, SourceCapabilities, WriteSize } from './capabilities.js';
export type { Codec, CodecName } from './codec/codec.js';
export { secret, secretUrl } from './config.js';
export type {
  CommonOptions,
  Connector,
  ConnectorDescriptor,
  Discovered,
  DriverContext,
  DriverMetrics,
  SinkDescriptor,
  SourceDescriptor,
  TeardownRequest,
} from './connector.js';
export { contractVersion } from './connector.js';
export { defineConnector } from './define-connector.js';
export type { Classified, Classify, ErrorCode, Outcome } from './error.js';
export { ConnectorError, isConnectorError } from './error.js';
export type { Frames, Framing, FramingName, FramingPosition, Unframer } from './framing/framing.js';
export { createFraming, FramingConfig } from './framing/framings.js';
export type { Header, Message, MessageSchema, Operation, SchemaField, Value } from './message.js';
export { createMessage, noHeaders, withPayload } from './message.js';
export type { BatchFailure, BatchSlice, Checkpoint, SinkBatch, SinkDriver, StoredPosition } from './sink-driver.js';
export { BatchError } from './sink-driver.js';
export type { Position, ReadOptions, SourceBatch, SourceDriver } from './source-driver.js';
export type { Template } from './template.js';
export { parseTemplate } from './template.js';
