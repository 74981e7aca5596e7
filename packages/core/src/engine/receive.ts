import { ConnectorError, isConnectorError } from '../error.js';
import type { BatchFailure } from '../sink-driver.js';
import type { SourceBatch } from '../source-driver.js';
import { type Flow, originOf, runSteps } from './flow.js';
import { finishPart, type Hub, stoppedBy } from './hub.js';
import type { Lease, Segment } from './lease.js';
import { stopsAtInvalid } from './plan.js';
import type { SinkWriter } from './sink-writer.js';

/**
 * Takes a batch from a source: charges it to the budget, decodes and transforms it, and queues what comes out at the sinks.
 * Returns a promise only when a transform did.
 */
export function receive(
  hub: Hub,
  writers: readonly SinkWriter[],
  lease: Lease,
  batch: SourceBatch,
): void | Promise<void> {
  const count = batch.messages.length;
  const { bytes } = batch;
  hub.budget.charge(count, bytes);
  lease.held += count;
  lease.unsettled.messages += count;
  lease.unsettled.bytes += bytes;
  hub.stats.received(lease, batch);
  const segment: Segment = {
    lease,
    batch,
    from: 0,
    count,
    bytes,
    position: batch.position,
    pending: 1, // held until its outputs are queued
    deadLettered: new Set(),
    receivedBefore: hub.stats.receivedMessages - count,
  };
  lease.tracker.add(segment);
  const steps = hub.plan.steps.get(lease.source.id) ?? [];
  const failures: BatchFailure[] = [];
  const flow = runSteps(sound(batch, failures), steps, failures);
  if (flow instanceof Promise) return flow.then((after) => dispatch(hub, writers, segment, { flow: after, failures }));
  return dispatch(hub, writers, segment, { flow, failures });
}

/** The messages of a batch that its driver could make sense of. */
function sound(batch: SourceBatch, failures: BatchFailure[]): Flow {
  const broken = batch.failures;
  if (broken === undefined || broken.length === 0) return { messages: batch.messages, origins: undefined };
  failures.push(...broken);
  const skip = new Set(broken.map(({ index }) => index));
  const origins = batch.messages.map((_, index) => index).filter((index) => !skip.has(index));
  return { messages: batch.messages.filter((_, index) => !skip.has(index)), origins };
}

interface Processed {
  readonly flow: Flow;
  readonly failures: BatchFailure[];
}

function dispatch(
  hub: Hub,
  writers: readonly SinkWriter[],
  segment: Segment,
  processed: Processed,
): void | Promise<void> {
  if (segment.lease.discarded || segment.lease.lost) return;
  const { failures } = processed;
  let { flow } = processed;
  if (failures.length > 0) {
    failures.sort((a, b) => a.index - b.index);
    if (hub.plan.onInvalid === 'stop') flow = firstOf(flow, stopAt(hub, segment, failures));
    else for (const failure of failures) report(hub, segment, failure, undefined);
  }
  if (flow.origins !== undefined) hub.stats.filtered += countFiltered(segment, flow.origins, failures);
  return branchOut(hub, writers, segment, flow);
}

/** How many source messages neither went on nor failed. Origins are in order; behind an invalid message nothing counts. */
function countFiltered({ count }: Segment, origins: readonly number[], failures: readonly BatchFailure[]): number {
  if (failures.length > 0) {
    const failed = failures.map((failure) => failure.index).filter((index) => index < count);
    return count - new Set([...origins, ...failed]).size;
  }
  let filtered = count;
  let previous = -1;
  for (const origin of origins) {
    if (origin !== previous) filtered--;
    previous = origin;
  }
  return filtered;
}

/** What goes to one sink. */
interface Outgoing extends Processed {
  readonly writer: SinkWriter;
}

/** Runs the steps of every branch before anything is queued: an invalid message ends the batch for all of them. */
function branchOut(
  hub: Hub,
  writers: readonly SinkWriter[],
  segment: Segment,
  flow: Flow,
  all: Outgoing[] = [],
): void | Promise<void> {
  while (all.length < writers.length) {
    const writer = writers[all.length] as SinkWriter; // it is below length
    const failures: BatchFailure[] = [];
    const own = runSteps(flow, writer.branch.steps, failures);
    if (own instanceof Promise) {
      return own.then((after) => branchOut(hub, writers, segment, flow, [...all, { writer, flow: after, failures }]));
    }
    all.push({ writer, flow: own, failures });
  }
  // What a slow step ends after its lease is lost is not written, so it is not finished either.
  if (segment.lease.discarded || segment.lease.lost) return;
  queue(hub, segment, all);
  finishPart(hub, segment);
}

function queue(hub: Hub, segment: Segment, all: readonly Outgoing[]): void {
  const sound = all.every(({ failures }) => failures.length === 0);
  const fatal = sound
    ? []
    : all.filter(({ writer }) => stopsAtInvalid(hub.plan, writer.branch)).flatMap(({ failures }) => failures);
  fatal.sort((a, b) => a.index - b.index);
  const count = fatal.length === 0 ? undefined : stopAt(hub, segment, fatal);
  for (const { writer, flow, failures } of all) {
    // What lies behind the stop comes again, and may be valid then.
    const reached = count === undefined ? failures : failures.filter(({ index }) => index < count);
    if (!stopsAtInvalid(hub.plan, writer.branch)) for (const failure of reached) report(hub, segment, failure, writer);
    writer.add(segment, count === undefined ? flow : firstOf(flow, count));
  }
}

function report(hub: Hub, segment: Segment, failure: BatchFailure, writer: SinkWriter | undefined): void {
  hub.invalid({
    segment,
    index: segment.from + failure.index,
    error: asInvalid(failure.error),
    attempts: 0,
    branch: writer?.branch,
    isEarly: true,
  });
}

/** What a driver or a step says about one message; anything but a fatal error makes the message invalid. */
function asInvalid(error: unknown): ConnectorError {
  if (isConnectorError(error)) return error;
  return new ConnectorError('message_invalid', error instanceof Error ? error.message : String(error), {
    cause: error,
  });
}

/**
 * An invalid message stops the pipeline: what comes before it is still written, so that the next run begins with it. Returns
 * how many messages that is. Without `positionAt` the batch settles only as a whole, and all of it is left.
 */
function stopAt(hub: Hub, segment: Segment, failures: readonly BatchFailure[]): number {
  const [first] = failures;
  if (first === undefined) return segment.count;
  const { batch, lease } = segment;
  const position = first.index > 0 ? batch.positionAt?.(first.index - 1) : undefined;
  lease.stopReading.abort(); // nothing behind it may be written
  hub.fail(stoppedBy(asInvalid(first.error), segment, first.index), 'drain');
  if (position === undefined) {
    segment.pending++; // never finished
    return 0;
  }
  const rest: Segment = { ...segment, from: first.index, count: segment.count - first.index, bytes: 0, pending: 1 };
  lease.tracker.add(rest);
  segment.count = first.index;
  Object.assign(segment, { position });
  return first.index;
}

/** What comes of the first source messages of a batch; of the next one nothing, though only one of its outputs may be invalid. */
function firstOf(flow: Flow, count: number): Flow {
  if (count === 0) return { messages: [], origins: undefined };
  const kept = flow.messages.findIndex((_, index) => originOf(flow, index) >= count);
  if (kept < 0) return flow;
  return { messages: flow.messages.slice(0, kept), origins: flow.origins?.slice(0, kept) };
}
