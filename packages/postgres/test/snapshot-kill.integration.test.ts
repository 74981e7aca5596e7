import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Message } from '@sluice/core/driver';
import { type PostgresVersion, startPostgres } from '@sluice/testkit';
import { expect, it, onTestFinished } from 'vitest';
import { churn, churnColumns, fill } from './churn.js';
import { readLog } from './log-sink.js';
import type { ChildOrder } from './snapshot-child.js';

const patience = { timeout: 60_000, interval: 50 };
const ids = 20_000;

type Row = Readonly<Record<string, unknown>>;

/** Applies what was told to a table of its own, and refuses whatever does not fit what came before it. */
function replay(messages: readonly Pick<Message, 'operation' | 'key' | 'before' | 'payload'>[]): Map<string, Row> {
  const rows = new Map<string, Row>();
  const idOf = ({ name, id }: Row): string => JSON.stringify([name, id]);
  for (const { operation, before, payload } of messages) {
    const old = before as Row | undefined; // rows of the table
    const row = payload as Row | null;
    if (operation === 'snapshot' || operation === 'create') expect(rows.get(idOf(row ?? {}))).toBeUndefined();
    else {
      // The replica identity is full: the row before is the one that was told last.
      expect({ operation, row: rows.get(idOf(old ?? {})) }).toEqual({ operation, row: old });
      rows.delete(idOf(old ?? {}));
    }
    if (row !== null) rows.set(idOf(row), row);
  }
  return rows;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

interface Stored {
  readonly rows: number;
  readonly parts: readonly { readonly to: unknown }[];
}

/** Positions of chunks that are stored. */
function chunksIn(path: string): readonly Stored[] {
  const positions = Object.entries(readLog(path).positions).filter(([name]) => name.includes('/'));
  return positions.map(([, { position }]) => position as unknown as Stored); // as the source writes them
}

const isPartial = ({ parts }: Stored): boolean => parts.at(-1)?.to !== null;

async function killAgainAndAgain(version: PostgresVersion): Promise<void> {
  const server = await startPostgres({ version });
  onTestFinished(() => server.stop());
  const native = await server.connect();
  onTestFinished(() => native.end());
  const folder = mkdtempSync(join(tmpdir(), 'sluice-snapshot-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'log');
  writeFileSync(path, '');
  await native.query(`create table source (${churnColumns}); alter table source replica identity full`);
  await fill(native, 'source', ids);
  await native.query('analyze source');
  const order: ChildOrder = {
    source: {
      url: server.directUrl,
      mode: 'cdc',
      slot: 'kill',
      publication: 'kill',
      tables: ['source'],
      create: true,
      snapshotChunkRows: 4000,
      snapshotConnections: 2,
    },
    path,
    atomic: true,
  };
  const run = (): ChildProcess => {
    const script = new URL('snapshot-child.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [script, JSON.stringify(order)], { stdio: 'inherit' });
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  };

  let isWriting = true;
  const writers = [0, 1].map(async (part) => {
    const client = await server.connect();
    onTestFinished(() => client.end());
    await churn(client, 'source', { part, parts: 2, ids, goOn: () => isWriting });
  });
  // While rows are read, in the middle of chunks; then while changes are.
  for (let kills = 0; kills < 5; kills++) {
    const before = readLog(path).messages.length;
    const child = run();
    const isDue = (): boolean => {
      const { messages, positions } = readLog(path);
      const isPlace = kills > 2 ? 'source:changes' in positions : chunksIn(path).some(isPartial);
      return messages.length > before && isPlace;
    };
    await expect.poll(isDue, patience).toBe(true);
    await kill(child);
  }
  expect(chunksIn(path).some(({ parts }) => parts.length > 1)).toBe(true);
  isWriting = false;
  await Promise.all(writers);
  await native.query(`insert into source values ('last', -1, 0, '')`);
  run();
  await expect.poll(() => readLog(path).messages.at(-1)?.key, patience).toEqual({ name: 'last', id: -1 });

  const { messages } = readLog(path);
  const told = replay(messages);
  const { rows } = await native.query<Row & { n: string }>('select name, id, n, rest from source');
  const lines = (all: readonly Row[]): string[] =>
    all.map(({ name, id, n, rest }) => JSON.stringify([name, id, Number(n), rest])).toSorted();
  expect(lines([...told.values()])).toEqual(lines(rows));
  expect(messages.filter(({ operation }) => operation === 'snapshot').length).toBeGreaterThan(ids / 2);
  for (const operation of ['create', 'update', 'delete'])
    expect(messages.map((each) => each.operation)).toContain(operation);
}

it.each([15, 18] as const)(
  'gives every key of Postgres %i its rows and changes in order, once, while the process is killed again and again',
  killAgainAndAgain,
  120_000,
);
