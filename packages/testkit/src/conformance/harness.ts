import type { ErasedConnector, Message, Value } from '@sluice/core/driver';

/** A message as the outside system's own client sees it. Key, headers and time are left out where the system has none. */
export interface NativeMessage {
  readonly payload: Uint8Array | null;
  readonly key?: Uint8Array | null;
  /** Name and value, in order, repeats kept. */
  readonly headers?: readonly (readonly [name: string, value: Uint8Array])[];
  /** Milliseconds since the epoch. */
  readonly timestamp?: number;
}

/**
 * Why a connector cannot be asked for something, in words for the report: `UDP has no positions`. The behaviours that need
 * it are then listed with this reason and not tested; a hook is never just left out.
 */
export interface Unable {
  readonly because: string;
}

/** A config that must be refused or fail, and how. */
export interface WrongConfig {
  readonly config: unknown;
  readonly options?: unknown;
}

/** What of a {@link NativeMessage} survives the way through this system. */
export interface Carries {
  readonly key: boolean;
  readonly headers: 'repeated' | 'unique' | 'none';
  readonly timestamp: boolean;
  /** False for a sink that stores by key: there, no payload means that what is stored is deleted. */
  readonly nullPayload: boolean;
  readonly emptyPayload: boolean;
  /** Whether a payload may hold every byte value; false where a delimiter or an encoding forbids some. */
  readonly anyByte: boolean;
  /** The largest payload that this system takes, in bytes; the suite tests 1 MiB where it is larger. */
  readonly maxPayloadBytes: number;
}

/** A topic, queue, folder, port: made for one test alone, empty, and reachable. */
export interface Place {
  /** What the connector's `source()` or `sink()` takes to use this place through the network that {@link Faults} hurt. */
  readonly config: unknown;
  readonly options?: unknown;
  /** Removes it. */
  remove(): Promise<void>;
}

/** Where a source reads from, and the native client that fills it. */
export interface SourcePlace extends Place {
  /** The names that the driver gives its partitions, in the order of creation. One name, "", where there is only one. */
  readonly partitions: readonly string[];
  /** Stores these messages with the native client, in order; resolves when the system has them. Never through the proxy. */
  produce(messages: readonly NativeMessage[], partition?: string): Promise<void>;
  /** How many messages of the partition the outside system knows to be committed, asked with the native client. */
  committed?: Unable | ((partition: string) => Promise<number>);
  /** Makes the outside system forget the first `count` messages of the partition, so that positions among them are gone. */
  discard?: Unable | ((partition: string, count: number) => Promise<void>);
  /** Adds a partition that the running source has to find; resolves with its name. */
  addPartition?: Unable | (() => Promise<string>);
  /** Takes the partition away from the running source (another member of the group, a lock that is taken), until it is undone. */
  takeAway?: Unable | ((partition: string) => Promise<{ giveBack(): Promise<void> }>);
}

/** Where a sink writes to, and the native client that reads it. */
export interface SinkPlace extends Place {
  /**
   * Everything that is stored, read with the native client as a careful reader would (committed transactions only), in the
   * order of the system, one array per partition of the system or a single one.
   */
  stored(): Promise<readonly (readonly NativeMessage[])[]>;
}

/** Where a sink writes payloads that are decoded. */
export interface ValuePlace extends Place {
  /** Payloads that differ in all that the system can store of a value. */
  readonly values: readonly Value[];
  /** A payload that it has no form for. */
  readonly refusedValue: Value;
  /** Every payload that is stored, read with the native client, in order, as it is expected to equal what was written. */
  storedValues(): Promise<readonly Value[]>;
}

/** How a source is tested. */
export interface SourceHarness {
  /** @param partitions how many partitions the place has from the start; a system with one ignores it */
  createPlace(partitions: number): Promise<SourcePlace>;
  readonly carries: Carries;
  /** Config of a place whose name exists nowhere: what fails, and with which code. */
  readonly missing: Unable | WrongConfig;
  /** Config with a wrong password or key. */
  readonly wrongCredentials: Unable | WrongConfig;
  /** Config of an address where nothing listens. */
  readonly unreachable: Unable | WrongConfig;
  /** The system's own timeout after which it thinks that a silent reader is dead, in ms, as small as the place's config makes it. */
  readonly livenessTimeoutMs: Unable | number;
  /** Whether a message is marked as one that comes again. Left out where the system marks none. */
  readonly redelivered?: (message: Message) => boolean;
}

/** How a sink is tested. */
export interface SinkHarness {
  createPlace(): Promise<SinkPlace>;
  /** Makes a place whose config has payloads arrive decoded. Left out where they are always bytes. */
  createValuePlace?: Unable | (() => Promise<ValuePlace>);
  readonly carries: Carries;
  readonly missing: Unable | WrongConfig;
  readonly wrongCredentials: Unable | WrongConfig;
  readonly unreachable: Unable | WrongConfig;
  /** A message that this system refuses for itself while it takes its neighbours; `message_invalid` or `message_too_large`. */
  readonly refused: Unable | (() => NativeMessage);
  /** Why processes that write to it cannot be killed and what they wrote compared. Left out: they can. */
  readonly unkillable?: Unable;
  /**
   * How many processes are killed, at least 20. Default 200 for an atomic sink and 40 for others; fewer for further modes of a
   * sink whose first one has the default.
   */
  readonly kills?: number;
  /** Recognises, in the bytes that the client sends, the request that makes a flush durable; the proxy then cuts before its answer. */
  readonly isCommitRequest: Unable | ((bytes: Uint8Array) => boolean);
}

/** Ways to hurt the system. Each is undone by `restore` after the behaviour, also when it failed. */
export interface Faults {
  /** Cuts every connection of the connector and refuses new ones. */
  cut(): Promise<void>;
  /** Keeps connections open and lets nothing through. */
  hang(): Promise<void>;
  /** Delays every chunk in both directions. */
  slow(ms: number): Promise<void>;
  /** Cuts the connection as soon as a request for which `matches` answers true has been forwarded, before its answer. Once. */
  cutAfter(matches: (bytes: Uint8Array) => boolean): Promise<{ readonly happened: Promise<void> }>;
  /** Stops the server's processes without ending them, as a machine that swaps does. */
  pause(): Promise<void>;
  /** Ends and starts the server at the same address, keeping its data. */
  restart(): Promise<void>;
  /** Stops the server for good until `restore`. */
  stop(): Promise<void>;
  /** Undoes all of the above; resolves when the server answers again. */
  restore(): Promise<void>;
  /** How many connections of the connector are open. */
  connections(): number;
}

/** What a connector brings to the suite: its system, running. One harness per mode of the connector. */
export interface Harness {
  readonly connector: ErasedConnector;
  /**
   * URL of the module that exports the connector, and under which name, for the tests that kill a process which uses it:
   * `{ url: import.meta.resolve('@sluice/kafka'), name: 'kafka' }`. Configs of places are then JSON, and their options too.
   */
  readonly module: Unable | { readonly url: string; readonly name: string };
  readonly source?: SourceHarness;
  readonly sink?: SinkHarness;
  /** Ways to hurt the system, or why there are none: `a local file has no network`. */
  readonly faults: Unable | Faults;
  /** Strings that must never be printed: every password of the configs above. */
  readonly secrets: readonly string[];
  close(): Promise<void>;
}

/** Starts the system. Called once per suite, before the first behaviour. */
export type OpenHarness = () => Promise<Harness>;
