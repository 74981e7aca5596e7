/**
 * What a source can do, as plain data. It is computed from the config, because the modes of one system differ. The engine,
 * the guarantee, the READMEs and the conformance kit read it.
 */
export interface SourceCapabilities {
  /**
   * Who keeps the position: the outside system (`source`: consumer groups, queues), the engine in a checkpoint store
   * (`engine`), or nobody (`none`: what was not received is gone).
   */
  readonly position: 'source' | 'engine' | 'none';
  /** Whether reading can start again from any position that was committed or checkpointed before. */
  readonly replayable: boolean;
  /** `partition`: messages of one partition come in a fixed order; `none`: the system promises no order. */
  readonly order: 'partition' | 'none';
  /** Whether the source ends by itself. */
  readonly bounded: boolean;
  /**
   * Whether the system delivers only so much before it hears a commit (RabbitMQ prefetch, MQTT receive maximum). Such a
   * source is told as soon as a prefix is durable.
   */
  readonly window: boolean;
  /** Whether messages carry an operation (create, update, delete, truncate), whose meaning a plain codec would drop. */
  readonly changes: boolean;
  /** Whether every message has a key that identifies it and comes back the same when it is read again. */
  readonly keyed: boolean;
  /** The unit of {@link SourceBatch.lag}, when the source reports it. */
  readonly lagUnit?: 'messages' | 'bytes';
}

/** A size of a write. */
export interface WriteSize {
  readonly maxMessages: number;
  /** Bytes of payload, keys and headers as the engine estimates them. */
  readonly maxBytes: number;
}

/** What a sink can do, as plain data computed from the config. */
export interface SinkCapabilities {
  /** Whether `flush` stores the checkpoint in the same step as the data. An atomic sink has `flush` and `claim`. */
  readonly atomic: boolean;
  /** By what a message that is written twice is stored once: its key, or not at all. */
  readonly idempotent: 'key' | false;
  /**
   * Which writes may be under way at the same time. `none`: one at a time. `partitions`: writes without a source partition in
   * common. `ordered`: any, and the sink promises that when a write fails, every later one under way of the same source
   * partition fails too.
   */
  readonly overlap: 'none' | 'partitions' | 'ordered';
  /** `bytes`: payloads arrive as bytes or null. `value`: payloads arrive decoded. */
  readonly payload: 'bytes' | 'value';
  /** Whether the sink applies operations (a delete deletes). */
  readonly changes: boolean;
  /** The size of write at which the system is fastest, and how many may be under way when `overlap` allows it. */
  readonly preferred: WriteSize & { readonly maxInFlight: number };
  /** What a write must not exceed. Left out: no limit. One message above `maxBytes` is passed alone. */
  readonly limits?: Partial<WriteSize>;
}
