import { type ErrorCode, isConnectorError } from '../../src/error.js';
import type { Journal, OperationRecord, StoreRecord } from './journal.js';
import { type MessagePlace, placeOfId } from './model-message.js';
import { writeTimeoutMs } from './model-pipeline.js';
import type { Life, Played } from './play-history.js';
import { isQueue, type PlayedSource } from './played-source.js';

/** The same message became durable twice, one time after the other. */
interface Repeat {
  readonly destination: string;
  readonly source: PlayedSource;
  readonly first: StoreRecord;
  readonly second: StoreRecord;
}

/** One of the two, on its way: from the beginning of its write until the message was there twice. */
interface Way {
  readonly id: string;
  readonly instance: string;
  readonly begun: number;
  readonly begunMs: number;
  readonly until: number;
}

/** Messages that a destination has twice although nothing has happened in between that could be the reason. */
export function findUnfoundedRepeats(played: Played, destination: string): string[] {
  const latest = new Map<string, StoreRecord>();
  const found: string[] = [];
  for (const second of played.journal.stores.get(destination) ?? []) {
    const first = latest.get(second.id);
    latest.set(second.id, second);
    const source = played.sources.find(({ stream }) => stream === placeOfId(second.id).stream);
    if (first === undefined || source === undefined) continue;
    if (!isFounded(played, { destination, source, first, second })) found.push(second.id);
  }
  return found;
}

/** The write by which a message became durable: the first since it had become so before. */
function wayOf({ journal }: Played, { destination, second }: Repeat, { id, instance, at }: StoreRecord): Way {
  const before = (journal.stores.get(destination) ?? []).findLast(
    (each) => each.id === id && each.instance === instance && each.at < at,
  );
  const write = journal.operations.find(
    ({ operation, ids, startedAt }) =>
      startedAt > (before?.at ?? 0) &&
      operation.instance === instance &&
      operation.target === destination &&
      ids.has(id),
  );
  const { startedAt = at, startedMs = 0 } = write ?? {};
  return { id, instance, begun: startedAt, begunMs: startedMs, until: second.at };
}

/** Whether something has happened that makes the engine write again what may have been stored. */
function isFounded(played: Played, repeat: Repeat): boolean {
  const { journal } = played;
  const { source, first, second } = repeat;
  if (journal.restarted(source.id)) return true;
  if (isSettledBefore(played, repeat)) return false;
  if (source.owner === 'sink') return false;
  if (isUncertainWrite(played, repeat)) return true;
  // Of two lives each may have been the one that had to give the message up.
  const known = first.instance === second.instance ? [first] : [first, second];
  const ways = known.map((store) => wayOf(played, repeat, store));
  if (ways.some((way) => isTakenBack(played, way) || isReadAgain(played, source, way))) return true;
  return first.instance !== second.instance && isHandedOver(played, repeat);
}

/** Whether a sink that needs flushes had failed, so that all that was not flushed had to be written again. */
function isTakenBack({ history, journal }: Played, { instance, begunMs, until }: Way): boolean {
  if (!history.sinks.some(({ atomic, flush }) => atomic === true || flush === true)) return false;
  return journal.operations.some(
    (record) =>
      record.operation.instance === instance &&
      record.startedAt < until &&
      // In the same instant: the engine may not have heard of it yet.
      (record.endedMs ?? Number.POSITIVE_INFINITY) >= begunMs &&
      failsSink(record),
  );
}

/** Whether the partition was lost, or the connection to its source, while the message was on its way. */
function isReadAgain({ history, journal }: Played, source: PlayedSource, way: Way): boolean {
  // An atomic sink that has taken something over in part has to forget it, and what it has of all the others with it.
  const atomic = history.sinks.some((sink) => sink.atomic === true);
  if (source.owner === 'none' && !atomic) return false;
  const { partition } = placeOfId(way.id);
  // A set that stays is told again only when the source is opened again, and read again as a whole.
  const whole = source.config.partitions !== 'assigned';
  const lost = journal.losses.some(
    (loss) => loss.at < way.until && (atomic || (loss.source === source.id && (whole || loss.partition === partition))),
  );
  if (lost) return true;
  return journal.operations.some(
    (record) =>
      record.operation.instance === way.instance &&
      (atomic || record.operation.target === source.stream) &&
      record.startedAt < way.until &&
      (record.endedAt ?? Number.POSITIVE_INFINITY) > openedAt(journal, record, way.begun) &&
      failsSource(record),
  );
}

/** When the driver that made a request was opened, as far as that was before a message was begun. */
function openedAt(
  { operations }: Journal,
  { operation: { instance, target } }: OperationRecord,
  begun: number,
): number {
  const opening = operations.findLast(
    ({ operation, startedAt }) =>
      operation.name === 'source.open' &&
      operation.instance === instance &&
      operation.target === target &&
      startedAt < begun,
  );
  return opening?.startedAt ?? 0;
}

/** The write itself took effect, and the engine could not know it. */
function isUncertainWrite({ journal }: Played, { destination, first, second }: Repeat): boolean {
  return journal.operations.some(
    (record) =>
      record.operation.name === 'sink.write' &&
      record.operation.target === destination &&
      record.operation.instance === first.instance &&
      record.ids.has(first.id) &&
      (record.effectAt ?? Number.POSITIVE_INFINITY) <= second.at &&
      (record.error !== undefined || isSlow(record)),
  );
}

/** Took longer than the engine waits, or never ended. */
export function isSlow({ startedMs, endedMs = Number.POSITIVE_INFINITY }: OperationRecord): boolean {
  return endedMs - startedMs >= writeTimeoutMs;
}

/** Makes the engine go back to the last checkpoint, where a sink needs flushes. */
function failsSink(record: OperationRecord): boolean {
  const { name, target } = record.operation;
  if (target === 'dead') return false;
  // The driver is opened again, and what it had taken over is in doubt.
  if (name === 'sink.claim') return isSlow(record) || hasCode(record.error, 'not_connected');
  if (name !== 'sink.write' && name !== 'sink.flush') return false;
  return record.error !== undefined || record.fault?.failures !== undefined || isSlow(record);
}

/** Makes the engine open the source again. That reading was aborted is no failure. */
function failsSource(record: OperationRecord): boolean {
  const { name } = record.operation;
  if (!name.startsWith('source.')) return false;
  if (name === 'source.commit' && isSlow(record)) return true;
  return record.error !== undefined && !hasCode(record.error, 'aborted');
}

export function hasCode(error: unknown, code: ErrorCode): boolean {
  return isConnectorError(error) && error.code === code;
}

/** Whether the life that stored a message first could not tell the one that stored it again. */
function isHandedOver({ lives }: Played, { source, first, second }: Repeat): boolean {
  const before = lives.find(({ instance }) => instance.name === first.instance);
  const after = lives.find(({ instance }) => instance.name === second.instance);
  if (before === undefined || after === undefined) return false;
  if (source.owner !== 'none' && endedBadly(before)) return true;
  // Where several read the same at a time each gets all of it, and one goes back to where it knows.
  const assigned = source.config.partitions === 'assigned' && source.owner !== 'store';
  const exact = assigned || isQueue(source);
  return !exact && before.twin;
}

/** Whether the life that stored a message first had ended, with everything settled, before the other one began. */
function isSettledBefore(played: Played, { source, first, second }: Repeat): boolean {
  const { lives, journal } = played;
  const before = lives.find(({ instance }) => instance.name === first.instance);
  const after = lives.find(({ instance }) => instance.name === second.instance);
  if (before === undefined || after === undefined || endedBadly(before)) return false;
  if (isPassedOn(journal, source, placeOfId(first.id))) return false;
  // A source that keeps its position may have heard of a commit without an answer, so what is durable counts until it is read again.
  const untold =
    source.owner === 'source' &&
    journal.operations.some(
      (record) =>
        record.operation.instance === first.instance &&
        record.operation.target === source.stream &&
        failsSource(record),
    );
  return !before.twin && !untold && before.endedAt < after.startedAt;
}

/** Whether a life had to give a partition up: whoever is given it next settles what was left of it. */
function isPassedOn(
  { losses, releases, operations }: Journal,
  source: PlayedSource,
  { partition }: MessagePlace,
): boolean {
  return (
    losses.some((loss) => loss.source === source.id) ||
    releases.some((release) => release.source === source.id && release.partition === partition) ||
    operations.some(
      ({ operation, error }) =>
        source.config.partitions === 'assigned' &&
        operation.target === source.stream &&
        operation.partition === partition &&
        hasCode(error, 'lease_lost'),
    )
  );
}

/** Crashed, failed, or left something unsettled. */
export function endedBadly({ end, unsettled }: Life): boolean {
  return end !== 'resolved' || unsettled !== 0;
}
