import { ConnectorError, withoutStop } from '../error.js';
import type { PipelineEvent } from '../pipeline-definition.js';
import type { Budget } from './budget.js';
import type { Segment } from './lease.js';
import type { BranchPlan, Plan } from './plan.js';
import type { Restarter } from './restarter.js';
import type { RunStats } from './run-stats.js';
import type { Settler } from './settler.js';

/** One message that can never be written, or never be decoded. */
export interface InvalidMessage {
  readonly segment: Segment;
  /** Index of the source message in its batch. */
  readonly index: number;
  readonly error: ConnectorError;
  /** Write attempts that were made; 0 when it never reached the sink. */
  readonly attempts: number;
  /** The sink that refused it, or undefined when it failed before the branches. */
  readonly branch: BranchPlan | undefined;
  /** Something before it in its batch is still to be written to this sink. */
  readonly isEarly: boolean;
}

/** The error with which an invalid message ends the run: which message it was, and what there is to do. */
export function stoppedBy(error: ConnectorError, segment: Segment, index: number): ConnectorError {
  const { batch, lease } = segment;
  const place = batch.positionAt === undefined ? `message ${index + 1} of the batch before` : 'the message before';
  const position = JSON.stringify(batch.positionAt?.(index) ?? batch.position);
  const where = `It is ${place} position ${position}${lease.partition === '' ? '' : ` of "${lease.partition}"`}`;
  return new ConnectorError(
    error.code,
    `${withoutStop(error.message)}. ${where}. Mend it, give the pipeline dead letters, or set "onInvalid: drop".`,
    {
      cause: error,
    },
  );
}

/** How the parts of a run reach the whole. */
export interface Hub {
  readonly plan: Plan;
  readonly budget: Budget;
  readonly stats: RunStats;
  readonly settler: Settler;
  readonly restarter: Restarter;
  /** The run ends: nothing waits in back-off any more, and what fails now stays unsettled. */
  readonly stopping: boolean;
  /** Aborted when `stopping` begins. */
  readonly stopSignal: AbortSignal;
  /** The source can deliver no more until something is settled, or nothing more comes: batches do not wait to fill. */
  urgent(): boolean;
  /** All parts of these messages are finished. */
  finished(segment: Segment): void;
  invalid(message: InvalidMessage): void;
  /** Ends the run with an error. `drain` first writes what is queued, `drop` leaves it for the next run. */
  fail(error: ConnectorError, queued: 'drain' | 'drop'): void;
  degraded(part: string, error: ConnectorError, attempt: number, delayMs: number): void;
  recovered(part: string): void;
  emit(event: EventBody): void;
}

/** One part of these messages is finished: a write, a dead letter. */
export function finishPart(hub: Hub, segment: Segment): void {
  segment.pending--;
  if (segment.pending === 0 && !segment.lease.discarded) hub.finished(segment);
}

/** An event without what the run adds to every one. */
export type EventBody = WithoutFrame<PipelineEvent>;
type WithoutFrame<Event> = Event extends unknown ? Omit<Event, 'at' | 'pipeline'> : never;
