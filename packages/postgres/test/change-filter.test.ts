import { describe, expect, it } from 'vitest';
import type { OldRow, PgoutputMessage, RowMessage, Tuple } from '../src/changes/pgoutput.js';
import type { Received, ReplicationStream } from '../src/changes/replication.js';
import { ChangeFilter } from '../src/snapshot/change-filter.js';
import type { Ask } from '../src/snapshot/key-places.js';
import { parseSnapshot } from '../src/snapshot/server-snapshot.js';

const columns = [
  { name: 'id', typeId: 23, typeModifier: -1, isKey: true },
  { name: 'n', typeId: 23, typeModifier: -1, isKey: false },
];
const key = [{ name: 'id', type: 'pg_catalog.int4', collation: null }];

/** Keys up to 10 were read when transaction 100 came next, the others when 200 did. */
const table = {
  name: 'public.t',
  key,
  ranges: [
    { to: ['10'], snapshot: parseSnapshot('100:100:'), isEmpty: false },
    { to: undefined, snapshot: parseSnapshot('200:200:'), isEmpty: false },
  ],
};

/** Compares as the server does. */
const ask: Ask = (_sql, [bounds, keys]) => {
  const rows = (keys as string[]).map((id) => ({
    above: (bounds as string[]).filter((to) => Number(to) < Number(id)).length,
  }));
  return Promise.resolve({ rows } as unknown as Awaited<ReturnType<Ask>>) as never;
};

const begin = (transactionId: number): PgoutputMessage => ({
  kind: 'begin',
  commitLsn: BigInt(transactionId),
  commitTime: 0n,
  transactionId,
});
const row = (operation: RowMessage['operation'], old: OldRow | undefined, values: Tuple | undefined): RowMessage => ({
  kind: 'row',
  operation,
  relation: 1,
  old,
  row: values,
  bytes: 1,
});
const keyed = (id: number): OldRow => ({ kind: 'key', row: [String(id), null] });
const insert = (id: number): RowMessage => row('create', undefined, [String(id), '0']);
const remove = (id: number): PgoutputMessage => row('delete', keyed(id), undefined);
const update = (from: number | undefined, to: number): PgoutputMessage =>
  row('update', from === undefined ? undefined : keyed(from), [String(to), '1']);

/** What is left of a stream, in short. */
async function left(...messages: readonly PgoutputMessage[]): Promise<unknown[]> {
  const relation: PgoutputMessage = {
    kind: 'relation',
    id: 1,
    schema: 'public',
    name: 't',
    replicaIdentity: 'd',
    columns,
  };
  const waiting: Received[] = [relation, ...messages];
  const stream = { take: () => waiting.shift() } as unknown as ReplicationStream; // all that is used of it
  const filter = new ChangeFilter({ tables: new Map([[1, table]]), until: 1000n }, ask);
  const found: unknown[] = [];
  for (let next = await filter.take(stream); next !== undefined; next = await filter.take(stream)) {
    if (next.kind === 'row') {
      found.push([next.operation, (next.row ?? next.old?.row)?.[0]]);
      expect(next.bytes).toBe(1);
      if (next.operation === 'create') expect(next.old).toBeUndefined();
    } else if (next.kind === 'seen' || next.kind === 'truncate') found.push(next.kind);
  }
  return found;
}

describe('ChangeFilter', () => {
  it('leaves out what all snapshots see, and passes what none does', async () => {
    expect(await left(begin(99), insert(1), update(1, 20), remove(20))).toEqual(['seen', 'seen', 'seen']);
    expect(await left(begin(200), insert(1), update(1, 20), remove(20))).toEqual([
      ['create', '1'],
      ['update', '20'],
      ['delete', '20'],
    ]);
  });

  it('asks for the range of a key where the snapshots differ', async () => {
    expect(
      await left(
        begin(150),
        insert(10),
        insert(11),
        update(undefined, 3),
        update(undefined, 12),
        remove(4),
        remove(13),
      ),
    ).toEqual([['create', '10'], 'seen', ['update', '3'], 'seen', ['delete', '4'], 'seen']);
  });

  it('makes of a move between ranges what the other range has not seen of it', async () => {
    expect(await left(begin(150), update(1, 20))).toEqual([['delete', '1']]);
    expect(await left(begin(150), update(20, 1))).toEqual([['create', '1']]);
    expect(await left(begin(150), update(1, 2), update(20, 21))).toEqual([['update', '2'], 'seen']);
  });

  it('passes tables that were not read, and everything from the end of the snapshots on', async () => {
    expect(await left(begin(99), { ...insert(1), relation: 2 })).toEqual([['create', '1']]);
    expect(await left(begin(99), { kind: 'truncate', relations: [1], bytes: 1 })).toEqual(['seen']);
    expect(await left(begin(99), { kind: 'truncate', relations: [1, 2], bytes: 1 })).toEqual(['seen', 'truncate']);
    expect(await left(begin(150), insert(20), begin(300), insert(20))).toEqual(['seen', ['create', '20']]);
  });

  it('tells when it is not needed any more', async () => {
    const waiting: Received[] = [begin(1000)];
    const stream = { take: () => waiting.shift() } as unknown as ReplicationStream; // all that is used of it
    const filter = new ChangeFilter({ tables: new Map(), until: 1000n }, ask);
    expect(filter.isOver).toBe(false);
    expect(await filter.take(stream)).toMatchObject({ kind: 'begin' });
    expect(filter.isOver).toBe(true);
  });
});
