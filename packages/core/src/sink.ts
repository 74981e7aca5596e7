import type { SinkCapabilities } from './capabilities.js';
import type { CommonOptions, Discovered, ErasedConnector } from './connector.js';
import type { OpenSink, OpenSinkSettings } from './open-sink.js';

/** A configured sink: give it to a pipeline, or open it and write by yourself. Nothing is open until then. */
export interface Sink {
  readonly direction: 'sink';
  readonly connector: ErasedConnector;
  /** Parsed, with defaults. May hold secrets: print it through `redactConfig`. */
  readonly config: unknown;
  readonly options: CommonOptions;
  readonly capabilities: SinkCapabilities;
  /** Opens the sink for writing without a pipeline. */
  open(settings?: OpenSinkSettings): Promise<OpenSink>;
  /** Resolves when the system can be reached and used with this config, rejects with a `ConnectorError` that says why not. */
  check(signal?: AbortSignal): Promise<void>;
  /** What exists where this config writes. */
  discover(signal?: AbortSignal): Promise<readonly Discovered[]>;
}
