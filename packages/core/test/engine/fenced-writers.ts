import type { OperationRecord } from './journal.js';
import type { Life, Played } from './play-history.js';
import { hasCode, isSlow } from './repeats.js';

/** Lives that went on writing though another one had fenced them and nothing was in doubt between the two. */
export function findFencedWriters(played: Played): string[] {
  // A member of a group learns in peace that another one has gone on; who is fenced there has lost a partition.
  if (played.sources.some(({ config }) => config.partitions === 'assigned')) return [];
  return played.lives.flatMap((life) => {
    const fence = findFence(played, life);
    const endedMs = fence?.endedMs;
    if (endedMs === undefined) return [];
    const later = sinkOperations(played, life).find(({ startedMs }) => startedMs > endedMs);
    return later === undefined
      ? []
      : [`${life.instance.name} was fenced, and began a ${later.operation.name} after that`];
  });
}

/** The refusal that a life had to obey: nothing of its own had failed before, after which it would have claimed again. */
function findFence(played: Played, life: Life): OperationRecord | undefined {
  const failed = played.journal.operations.filter(
    (record) =>
      record.operation.instance === life.instance.name &&
      /^(sink|source)\./.test(record.operation.name) &&
      !(record.operation.name.startsWith('source.') && hasCode(record.error, 'aborted')) &&
      (record.error !== undefined || record.fault?.failures !== undefined || isSlow(record)),
  );
  const [first] = failed.toSorted((a, b) => (a.endedAt ?? 0) - (b.endedAt ?? 0));
  return first !== undefined && hasCode(first.error, 'fenced') && !isSlow(first) && played.journal.losses.length === 0
    ? first
    : undefined;
}

function sinkOperations({ journal }: Played, { instance }: Life): OperationRecord[] {
  return journal.operations.filter(
    ({ operation: { instance: by, name, target } }) =>
      by === instance.name && target !== 'dead' && /^sink\.(write|flush|claim)$/.test(name),
  );
}
