import { ConnectorError, type ErrorCode, errorOutcomes } from '../error.js';
import type { BatchFailure, Checkpoint, SinkBatch } from '../sink-driver.js';
import type { Fault } from './faults.js';
import type { StoredMessage } from './memory-destination.js';
import { bytesOf } from './memory-log.js';
import type { SinkSetup } from './memory-sink.js';

/**
 * The messages of a write that fail: those that the destination refuses and those that were scripted. After a retryable one
 * the rest of its partition fails too, so that the order is kept.
 */
export function failuresOf({ messages, slices }: SinkBatch, fault: Fault, { destination }: SinkSetup): BatchFailure[] {
  const scripted = new Map(fault.failures?.map(({ index, code }) => [index, code]));
  const stopped = new Map<string, ErrorCode>();
  const failures: BatchFailure[] = [];
  for (const { partition, from, to } of slices) {
    for (const [offset, message] of messages.slice(from, to).entries()) {
      const index = from + offset;
      const code = stopped.get(partition) ?? destination.refuses(message) ?? scripted.get(index);
      if (code === undefined) continue;
      if (errorOutcomes[code] === 'retryable') stopped.set(partition, code);
      failures.push({ index, error: new ConnectorError(code, `${destination.name} refused a message`) });
    }
  }
  return failures.toSorted((a, b) => a.index - b.index);
}

/**
 * Throws `internal` when an atomic destination would store messages without their position. Beside other sinks it does: a message
 * is settled when all have it.
 */
export function checkPositions(
  { destination, config, pipeline, id, unkeptSources, violations, staged }: SinkSetup & Staged,
  checkpoint: Checkpoint,
): void {
  if (!config.atomic || id !== 'sink') return;
  const uncovered = staged.find(
    ({ partition }) =>
      partition !== '' &&
      checkpoint[partition] === undefined &&
      !unkeptSources.has(`${pipeline}/${partition.slice(0, partition.indexOf(':'))}`),
  );
  if (uncovered === undefined) return;
  throw violations.report(
    `flush of ${destination.name} with messages of "${uncovered.partition}" but without its position`,
  );
}

interface Staged {
  readonly staged: readonly StoredMessage[];
}

/** Throws `internal` when a write breaks what the sink said about itself. */
export function checkBatch({ destination, config, violations }: SinkSetup, { messages, slices }: SinkBatch): void {
  const { maxMessages = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = config.limits ?? {};
  const what = `write of ${messages.length} messages to ${destination.name}`;
  let covered = 0;
  for (const { from, to } of slices.toSorted((a, b) => a.from - b.from)) {
    if (from !== covered || to < from) throw violations.report(`${what}: its slices do not cover it once`);
    covered = to;
  }
  if (covered !== messages.length) throw violations.report(`${what}: its slices do not cover it once`);
  if (messages.length > maxMessages) throw violations.report(`${what}, above the limit of ${maxMessages}`);
  const bytes = messages.reduce((sum, message) => sum + bytesOf(message), 0);
  if (bytes > maxBytes && messages.length > 1)
    throw violations.report(`${what} and ${bytes} bytes, above the limit of ${maxBytes}`);
  const decoded = messages.find(({ payload }) => payload !== null && !(payload instanceof Uint8Array));
  if (config.payload === 'bytes' && decoded !== undefined) throw violations.report(`${what}: a payload is not bytes`);
}
