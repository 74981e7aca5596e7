import type { z } from 'zod';
import type { SinkCapabilities, SourceCapabilities } from './capabilities.js';
import type { Codec, CodecName } from './codec/codec.js';
import type { Classify } from './error.js';
import type { Sink } from './sink.js';
import type { Checkpoint, SinkDriver } from './sink-driver.js';
import type { Source } from './source.js';
import type { SourceDriver } from './source-driver.js';

/** The version of the contract between core and connectors. A connector of another one is refused. */
export const contractVersion = 1;

/** What a driver gets from the engine when it is opened. */
export interface DriverContext {
  /** Name of the pipeline; atomic sinks and groups key what they keep outside by it. */
  readonly pipeline: string;
  /** Id of this source or sink in the pipeline. */
  readonly id: string;
  /** Aborted when opening is given up. */
  readonly signal: AbortSignal;
  readonly metrics: DriverMetrics;
  /**
   * Of a source: whether its position is stored in one step with the data, so that what was read behind a stored position has
   * left no trace anywhere when it is read again. Left out: it may have.
   */
  readonly atomic?: boolean;
  /** Tells the user something that is not an error: a smaller buffer than asked for, a datagram that was cut. */
  notice(text: string): void;
}

/** Numbers that only this connector knows; they appear as `sluice.<connector>.<name>` and in `pipeline.stats()`. */
export interface DriverMetrics {
  /** Adds to a counter. What `dropped...` counts is shown as lost while a pipeline runs and at its end. */
  add(name: string, amount: number): void;
  /** Sets a gauge. */
  set(name: string, value: number): void;
}

/** Something that can be read: a topic, a table, a file. */
export interface Discovered {
  readonly name: string;
  readonly fields?: readonly {
    readonly name: string;
    readonly type: string;
    readonly nullable?: boolean;
    readonly key?: boolean;
  }[];
  /** Facts for people: number of partitions, size in bytes, row estimate. */
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

/** How {@link SourceDescriptor.teardown} is asked. */
export interface TeardownRequest {
  readonly pipeline: string;
  readonly id: string;
  /** False: only list. */
  readonly remove: boolean;
  readonly signal: AbortSignal;
}

/** What both directions of a connector have. */
interface Described<Schema extends z.ZodType, Options> {
  /** A strict object: unknown keys are errors. Every field has a description; secrets are marked with `secret()`. */
  readonly config: Schema;
  /** Whether the system can be reached and used with this config. Resolves, or rejects with the native error. */
  check?(config: z.output<Schema>, options: Options, signal: AbortSignal): Promise<void>;
  /** What can be read or written with this config. */
  discover?(config: z.output<Schema>, options: Options, signal: AbortSignal): Promise<readonly Discovered[]>;
  /** What the config means that a user may not expect, a sentence each. `validate` shows them. Opens nothing. */
  remarks?(config: z.output<Schema>): readonly string[];
  /**
   * Names what a pipeline made outside (slots, groups, topics), one line each, and removes it when asked. What may change by
   * itself, as a size, stands in parentheses at the end of its line.
   */
  teardown?(config: z.output<Schema>, options: Options, request: TeardownRequest): Promise<readonly string[]>;
}

/** The reading half of a connector. */
export interface SourceDescriptor<Schema extends z.ZodType = z.ZodType, Options = unknown>
  extends Described<Schema, Options> {
  /** Grows when the shape of a position changes. 1 when left out. */
  readonly positionVersion?: number;
  /**
   * Whether it reads what a sink of the same connector writes to under this name, now or when that has been made. A pipeline
   * that would read its own output is refused. Opens nothing.
   */
  reads?(config: z.output<Schema>, options: Options, target: string): Promise<boolean>;
  capabilities(config: z.output<Schema>): SourceCapabilities;
  open(config: z.output<Schema>, options: Options, context: DriverContext): Promise<SourceDriver>;
}

/** The positions that an atomic sink keeps, for tools. */
export interface SinkPositions<Config, Options> {
  /** Every stored position of a pipeline, read without a claim, also while it runs. Empty when nothing is stored. */
  load(config: Config, options: Options, pipeline: string): Promise<Checkpoint>;
  /**
   * Claims them, so that none moves any more, and replaces them all by what `change` makes of those that are stored then; what
   * was written stays. Rejects with `fenced` while the pipeline runs, where the sink can tell; elsewhere that is fenced.
   */
  change(config: Config, options: Options, pipeline: string, change: (stored: Checkpoint) => Checkpoint): Promise<void>;
}

/** Something outside that a sink writes to. */
export interface SinkTarget {
  /** The same for all sinks of this connector that write to it, however their configs name it: an absolute path, a topic. */
  readonly name: string;
  /** Whether several sinks may write to it at the same time. */
  readonly isShared: boolean;
}

/** The writing half of a connector. */
export interface SinkDescriptor<Schema extends z.ZodType = z.ZodType, Options = unknown>
  extends Described<Schema, Options> {
  /** Atomic sinks: what `sluice positions` shows and changes. */
  readonly positions?: SinkPositions<z.output<Schema>, Options>;
  /**
   * What it writes to, as far as the config tells. A pipeline whose source reads that, or in which another sink writes to what
   * is not shared, is refused. Opens nothing.
   */
  writes?(config: z.output<Schema>, options: Options): Promise<readonly SinkTarget[]>;
  capabilities(config: z.output<Schema>): SinkCapabilities;
  open(config: z.output<Schema>, options: Options, context: DriverContext): Promise<SinkDriver>;
}

/** What a connector author writes: plain data and functions. Importing it opens nothing and loads no native client. */
export interface ConnectorDescriptor<
  SourceSchema extends z.ZodType,
  SourceOptions,
  SinkSchema extends z.ZodType,
  SinkOptions,
> {
  /** Lower case, as it stands in pipeline files: `kafka`. */
  readonly name: string;
  /** For people: `Apache Kafka`. */
  readonly title: string;
  /** The {@link contractVersion} it was written for. */
  readonly contract: number;
  /** The table from native errors to codes. Pure; loads no native client. */
  readonly classify?: Classify;
  readonly source?: SourceDescriptor<SourceSchema, SourceOptions>;
  readonly sink?: SinkDescriptor<SinkSchema, SinkOptions>;
}

/** A descriptor as the engine sees it, whatever its schemas. */
export type ErasedConnector = ConnectorDescriptor<z.ZodType, unknown, z.ZodType, unknown>;

/** Options that every source and sink takes beside its connector's own. */
export interface CommonOptions {
  /**
   * How payloads become values and bytes. For a source the default is `bytes`, or `json` when the sink needs structure; for a
   * sink that takes bytes it is the source's, and JSON for structured payloads.
   */
  readonly codec?: CodecName | Codec;
}

/** A connector as users hold it: `kafka.source(config)` and `kafka.sink(config)`. */
export interface Connector<SourceSchema extends z.ZodType, SourceOptions, SinkSchema extends z.ZodType, SinkOptions> {
  readonly name: string;
  readonly title: string;
  /** What the author wrote; for tools. */
  readonly descriptor: ConnectorDescriptor<SourceSchema, SourceOptions, SinkSchema, SinkOptions>;
  /**
   * @throws {ConnectorError} `config_invalid` with every problem of the config
   * @throws {ConnectorError} `unsupported` when the connector cannot read
   */
  source(config: z.input<SourceSchema>, options?: SourceOptions & CommonOptions): Source;
  /**
   * @throws {ConnectorError} `config_invalid` with every problem of the config
   * @throws {ConnectorError} `unsupported` when the connector cannot write
   */
  sink(config: z.input<SinkSchema>, options?: SinkOptions & CommonOptions): Sink;
}
