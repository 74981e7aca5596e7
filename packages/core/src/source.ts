import type { SourceCapabilities } from './capabilities.js';
import type { CommonOptions, Discovered, ErasedConnector } from './connector.js';
import type { ReadBatch, ReadSettings } from './read.js';

/** A configured source: give it to a pipeline, or read it by yourself. Nothing is open until then. */
export interface Source {
  readonly direction: 'source';
  readonly connector: ErasedConnector;
  /** Parsed, with defaults. May hold secrets: print it through `redactConfig`. */
  readonly config: unknown;
  readonly options: CommonOptions;
  readonly capabilities: SourceCapabilities;
  /**
   * Reads without a pipeline. A batch that was not committed comes again, as far as the source can replay it; ending the loop
   * closes everything. Lost connections are opened again as in a pipeline.
   */
  read(settings?: ReadSettings): AsyncIterable<ReadBatch>;
  /** Resolves when the system can be reached and used with this config, rejects with a `ConnectorError` that says why not. */
  check(signal?: AbortSignal): Promise<void>;
  /** What can be read with this config. */
  discover(signal?: AbortSignal): Promise<readonly Discovered[]>;
}
