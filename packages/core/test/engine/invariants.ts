import { audit, keyText } from '../../src/testing/index.js';
import { findFencedWriters } from './fenced-writers.js';
import { isInvalid, isLettered, isRefusedBy, outputsOf, placeOfId, stopsRun } from './model-message.js';
import type { Played } from './play-history.js';
import { isQueue, type PlayedSource } from './played-source.js';
import { endedBadly, findUnfoundedRepeats, hasCode } from './repeats.js';
import { identify } from './watch-history.js';

/** Everything that is wrong with a history that was played. Empty: all invariants hold. */
export function findProblems(played: Played): string[] {
  const { system, history, problems } = played;
  return [
    ...problems,
    ...system.violations.found,
    ...history.sinks.flatMap((_, index) => [...findSinkProblems(played, index), ...findUnfinished(played, index)]),
    ...findTooFast(played),
    ...(history.onInvalid === 'drop' ? findMiscounted(played) : []),
    ...(history.onInvalid === 'drop' ? [] : findMissingLetters(played)),
    ...findFencedWriters(played),
  ];
}

/** The messages of each partition of a source, without those that are only marks. */
function idsOf({ system }: Played, { stream, partitions }: PlayedSource): string[][] {
  return partitions.map((partition) =>
    system
      .stream(stream)
      .log(partition)
      .entries.filter(({ control }) => !control)
      .map(({ message }) => keyText(message)),
  );
}

function findSinkProblems(played: Played, index: number): string[] {
  const name = `out${index}`;
  const arrived = (played.journal.stores.get(name) ?? []).map(({ id }) => id);
  const found = findUnfoundedRepeats(played, name).map((id) => `${name} duplicated ${id}`);
  const all = new Set<string>();
  for (const source of played.sources) {
    const expected = idsOf(played, source).map((ids) => ids.flatMap((id) => arrivalsOf(played, id, index)));
    for (const id of expected.flat()) all.add(id);
    const certain = expected.map((ids) => ids.filter((id) => !played.journal.mayBeMissing(id)));
    const { lost, reordered, stale } = audit(certain, arrived);
    if (!mayLose(played, source)) found.push(...lost.map((id) => `${name} lost ${id}`));
    if (keepsOrder(played, source))
      found.push(...reordered.filter((id) => !isBehindRefused(played, id)).map((id) => `${name} reordered ${id}`));
    // Seen as rows of one table, whatever their keys: the last one that was stored is the last one that was sent.
    if (keepsOrder(played, source) && !mayLose(played, source))
      found.push(
        ...stale.filter((id) => !isOvertaken(played, name, id)).map((id) => `${name} has an older message after ${id}`),
      );
  }
  found.push(...arrived.filter((id) => !all.has(id)).map((id) => `${name} has ${id}, which nobody sent there`));
  return found;
}

/** Names of what a source message becomes in a sink. */
function arrivalsOf({ history }: Played, id: string, sink: number): string[] {
  if (stopsRun(history, id)) return outputsOf(id);
  return /:(throw|broken)$/.test(id) ? [] : outputsOf(id).filter((output) => !isRefusedBy(sink, history, output));
}

/** What was there from the beginning and is not in a sink though a life has done its work, which had the world to itself. */
function findUnfinished(played: Played, index: number): string[] {
  const { lives, journal } = played;
  const done = lives.find(({ doneAt, twin }) => doneAt !== undefined && !twin);
  if (done?.doneAt === undefined) return [];
  const { doneAt } = done;
  const stores = journal.stores.get(`out${index}`) ?? [];
  const arrived = new Set(stores.filter(({ at }) => at < doneAt).map(({ id }) => id));
  return played.sources.flatMap((source) => {
    if (mayLose(played, source)) return [];
    const ids = idsOf(played, source).flatMap((each, partition) =>
      each.filter((id) => placeOfId(id).index < (source.kinds[partition]?.length ?? 0)),
    );
    const missing = ids.filter((id) => !journal.mayBeMissing(id)).flatMap((id) => arrivalsOf(played, id, index));
    return missing
      .filter((id) => !arrived.has(id))
      .map((id) => `${done.instance.name} was done without out${index} having ${id}`);
  });
}

/** What is only in memory is lost with a process, a partition or a connection; nothing else may be. */
function mayLose({ lives, journal }: Played, source: PlayedSource): boolean {
  if (source.owner !== 'none') return false;
  const failures = journal.operations.some(
    ({ operation, error, effectAt }) =>
      operation.name.startsWith('source.') &&
      operation.target === source.stream &&
      error !== undefined &&
      // A read that is told to end has lost only what it had taken already.
      (effectAt !== undefined || !hasCode(error, 'aborted')),
  );
  return failures || journal.losses.some((loss) => loss.source === source.id) || lives.some(endedBadly);
}

/** Readers that compete for messages which only one of them gets cannot keep their order. */
function keepsOrder({ history, lives }: Played, source: PlayedSource): boolean {
  if (history.order === 'none') return false;
  return !((isQueue(source) || source.owner === 'none') && lives.some(({ twin }) => twin));
}

/** Whether a message came before it was the turn of one that the sink had refused, and that then stopped the pipeline. */
function isBehindRefused({ system, history }: Played, id: string): boolean {
  if (history.onInvalid !== 'stop') return false;
  const { stream, partition, index } = placeOfId(id);
  const before = system
    .stream(stream)
    .log(partition)
    .entries.slice(0, index + 1);
  return before.some(({ message }) => /:refuse(One)?$/.test(keyText(message)));
}

/**
 * Whether several lives wrote a partition at a time, of which an older one could not know that another had gone on. Where a group
 * moves partitions in peace, it could.
 */
function isOvertaken(played: Played, destination: string, id: string): boolean {
  const { stream, partition } = placeOfId(id);
  const writers = new Set(
    (played.journal.stores.get(destination) ?? [])
      .filter((store) => store.id.startsWith(`${stream}/${partition}/`))
      .map(({ instance }) => instance),
  );
  const twins = played.lives.filter(({ instance, twin }) => twin && writers.has(instance.name));
  const source = played.sources.find((each) => each.stream === stream);
  return twins.length > 1 && !(source?.config.partitions === 'assigned' && isPeaceful(played));
}

/** Whether nothing has failed or was taken without warning. */
function isPeaceful({ lives, journal }: Played): boolean {
  const failed = journal.operations.some(({ error, fault }) => error !== undefined || fault !== undefined);
  return !failed && journal.losses.length + journal.detours.length === 0 && !lives.some(endedBadly);
}

function findMissingLetters(played: Played): string[] {
  const letters = new Set(played.system.destination('dead').stored.map(({ message }) => identify(message, 'dead')));
  const missing = played.sources.flatMap((source) => {
    if (mayLose(played, source)) return [];
    const invalid = idsOf(played, source)
      .flat()
      .filter((id) => isLettered(played.history, id));
    return invalid.filter((id) => !letters.has(id) && !played.journal.mayBeMissing(id));
  });
  return [
    ...missing.map((id) => `no dead letter of ${id}`),
    ...[...letters]
      .filter((id) => !isLettered(played.history, id))
      .map((id) => `a dead letter of ${id}, which is to have none`),
  ];
}

/** Writes that began before the rate limit allowed it: each life and sink has a limit of its own. */
function findTooFast({ history, journal }: Played): string[] {
  const { messagesPerSecond } = history;
  if (messagesPerSecond === undefined) return [];
  const freeAt = new Map<string, number>();
  const found: string[] = [];
  for (const { operation, startedMs, ids } of journal.operations) {
    if (operation.name !== 'sink.write' || operation.target === 'dead') continue;
    const limited = `${operation.instance} to ${operation.target}`;
    // A tenth of a millisecond is less than what a number of this size can tell.
    if (startedMs + 0.1 < (freeAt.get(limited) ?? 0)) found.push(`a write of ${limited} was too early`);
    freeAt.set(limited, startedMs + (ids.size / messagesPerSecond) * 1000);
  }
  return found;
}

/** What is dropped is counted, and as often as it came where nothing has come again. */
function findMiscounted(played: Played): string[] {
  const { dropped, sources, lives, journal } = played;
  const certain = sources
    .filter((source) => !mayLose(played, source))
    .flatMap((source) => idsOf(played, source).flat())
    .filter((id) => isInvalid(id) && !journal.mayBeMissing(id)).length;
  const found: string[] = [];
  if (dropped < certain) found.push(`${dropped} messages were counted as dropped, of ${certain}`);
  const all = sources.flatMap((source) => idsOf(played, source).flat()).filter(isInvalid).length;
  const calm = isPeaceful(played) && !lives.some(({ twin }) => twin);
  if (calm && dropped > all) found.push(`${dropped} messages were counted as dropped, of only ${all}`);
  return found;
}
