import type { CheckpointStore } from './checkpoint/store.js';
import type { Clock } from './clock.js';
import type { ConnectorError } from './error.js';
import type { Sink } from './sink.js';
import type { Source } from './source.js';
import type { Transform } from './transform.js';

/** Where invalid messages go. */
export interface DeadLetterDefinition {
  readonly sink: Sink;
  /** Share of invalid messages in the window above which the pipeline stops with the most frequent reason. Default 0.1. */
  readonly maxRatio?: number;
  /** How many of the latest messages the share is taken of. Default 1000, so at 101 invalid ones it stops. */
  readonly window?: number;
}

/** One of several sinks. */
export interface BranchDefinition {
  readonly sink: Sink;
  /** Steps of this branch alone, after the pipeline's. */
  readonly transforms?: readonly Transform[];
  /** This branch's dead letters; the pipeline's when left out. */
  readonly deadLetter?: DeadLetterDefinition;
}

/** What a pipeline is made of. Exactly one of `source` and `sources`, and of `sink` and `sinks`. */
export interface PipelineDefinition {
  /** Names the checkpoint and everything kept outside: changing it starts over. Letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  /** The one source; its id is `source`. */
  readonly source?: Source;
  /** Several sources by id (letters, digits, `_`, `-`), all read at the same time. Positions are kept by id. */
  readonly sources?: Readonly<Record<string, Source>>;
  readonly transforms?: readonly Transform[];
  /** The one sink; its id is `sink`. */
  readonly sink?: Sink;
  /** Several sinks by id: each gets every message, and a message is settled when all have settled it. */
  readonly sinks?: Readonly<Record<string, Sink | BranchDefinition>>;
  readonly deadLetter?: DeadLetterDefinition;
  /**
   * `drop`: invalid messages are counted and forgotten; not together with dead letters. Left out, they go to the dead letters or,
   * without these, stop the pipeline.
   */
  readonly onInvalid?: 'drop';
  /** Where to go on when a stored position is lost. Left out, the pipeline stops. */
  readonly onPositionLost?: 'earliest' | 'latest';
  /** Keeps positions that nobody else keeps. Default: files in `.sluice/checkpoints` of the working directory. */
  readonly checkpoints?: CheckpointStore;
  /** `none`: order is given up, and failed messages no longer hold back later ones. */
  readonly order?: 'none';
  readonly batch?: BatchSettings;
  readonly flush?: FlushSettings;
  readonly retry?: RetrySettings;
  readonly budget?: BudgetSettings;
  /** At most so many messages per second go to each sink. No limit when left out. */
  readonly rateLimit?: { readonly messagesPerSecond: number };
  /** How long one write or flush may take before it is aborted. Default 30,000. */
  readonly timeoutMs?: number;
  /** How long the first successful open of a source or sink may take, retries included. Default 30,000. */
  readonly openTimeoutMs?: number;
  /** How long draining may take at shutdown. Default 25,000, below the usual 30 s of a container. */
  readonly shutdownTimeoutMs?: number;
  /** Told what happens, as it happens. Must not throw. */
  readonly onEvent?: (event: PipelineEvent) => void;
  /** Replaced in tests. */
  readonly clock?: Clock;
}

/** How messages are gathered into writes. */
export interface BatchSettings {
  /** Default: what the sink prefers. */
  readonly maxMessages?: number;
  /** Default: what the sink prefers. */
  readonly maxBytes?: number;
  /** How long a write may wait to fill. Default 0: nothing waits, writes grow while earlier ones are under way. */
  readonly maxAgeMs?: number;
}

/** When what was written is made durable and the checkpoint moves; whichever comes first. */
export interface FlushSettings {
  /** Default 1000. */
  readonly intervalMs?: number;
  /** Messages since the last flush. Default 500,000. Of sources that cannot read them again: no more than half of the budget. */
  readonly maxMessages?: number;
  /** Bytes since the last flush. Default: half of the budget. */
  readonly maxBytes?: number;
}

/** Exponential back-off with full jitter. */
export interface RetrySettings {
  /** Default 100. */
  readonly initialDelayMs?: number;
  /** Default 30,000. */
  readonly maxDelayMs?: number;
  /**
   * Attempts after which an error other than a lost connection, a time-out or a rate limit becomes fatal. Default 10, which
   * with the default delays is about a minute and a half.
   */
  readonly maxAttempts?: number;
}

/** How much may be held in memory between source and sink. */
export interface BudgetSettings {
  /** Bytes of source buffers, until their messages are durable. Default 64 MiB. */
  readonly maxBytes?: number;
  /**
   * Messages, until every sink has taken them over; where they cannot be read again, until they are durable. Default: what the
   * sinks prefer to have under way, at least two writes, and at least 10,000; 50,000 where they cannot be read again.
   */
  readonly maxMessages?: number;
}

/** Something that happened to a running pipeline. `at` is in milliseconds since the epoch. */
export type PipelineEvent =
  /** Every source and sink is open. */
  | { readonly type: 'started'; readonly at: number; readonly pipeline: string }
  /** A source or sink failed and is being tried again. */
  | {
      readonly type: 'degraded';
      readonly at: number;
      readonly pipeline: string;
      readonly part: string;
      readonly error: ConnectorError;
      readonly attempt: number;
      readonly delayMs: number;
    }
  | { readonly type: 'recovered'; readonly at: number; readonly pipeline: string; readonly part: string }
  /** Invalid messages were stored as dead letters, or dropped where the definition says so. */
  | {
      readonly type: 'deadLetter';
      readonly at: number;
      readonly pipeline: string;
      readonly part: string;
      readonly count: number;
      readonly dropped: boolean;
      readonly error: ConnectorError;
    }
  /** A connector tells something that is not an error. */
  | {
      readonly type: 'notice';
      readonly at: number;
      readonly pipeline: string;
      readonly part: string;
      readonly text: string;
    }
  | {
      readonly type: 'stopped';
      readonly at: number;
      readonly pipeline: string;
      readonly summary: PipelineStats;
      readonly error: ConnectorError | undefined;
    };

/** A snapshot of the counters. Counts are since the start of the run. */
export interface PipelineStats {
  /** Messages taken from the sources, repeats included. */
  readonly received: number;
  /** Bytes of the source buffers that they came in. */
  readonly receivedBytes: number;
  /** Messages that the sinks took over, summed over sinks. */
  readonly written: number;
  /** Source messages that a filter or an empty flatMap ended. */
  readonly filtered: number;
  /** Messages of write attempts that failed. */
  readonly failed: number;
  /** Messages written again after a failure. */
  readonly retried: number;
  /** Invalid messages stored as dead letters. */
  readonly deadLettered: number;
  /** Invalid messages forgotten because `onInvalid` says so. */
  readonly dropped: number;
  /** Source messages that are received and not yet settled. */
  readonly inFlight: number;
  /** Bytes that the budget is charged with: received and not yet durable. */
  readonly inFlightBytes: number;
  /** How far each partition is behind, where the source tells; in the unit of its capabilities. */
  readonly lag: Readonly<Record<string, number>>;
  /** What the connectors count themselves, by part and name: `source.dropped.kernel`. */
  readonly connectors: Readonly<Record<string, number>>;
  /** The settled position of every partition that has one. */
  readonly positions: Readonly<Record<string, unknown>>;
  /**
   * Source messages that were received and not settled when the run ended, also those that were to be read again after a
   * failure. 0 while it runs.
   */
  readonly unsettled: number;
}
