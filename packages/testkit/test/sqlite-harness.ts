import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ErasedConnector } from '@sluice/core/driver';
import type { Harness, NativeMessage, SinkPlace } from '../src/conformance/harness.js';
import { openDatabase, sqlite } from './sqlite-connector.js';

/** Which connector is tested, and how. */
export interface SqliteMode {
  readonly atomic: boolean;
  /** Where it is exported. Default: the healthy one. */
  readonly module?: { readonly url: string; readonly name: string };
  readonly connector?: ErasedConnector;
}

const healthy = { url: new URL('./sqlite-connector.ts', import.meta.url).href, name: 'sqlite' };

/** A system that survives the processes that write to it. */
export async function openSqliteHarness(mode: SqliteMode): Promise<Harness> {
  const { atomic, module = healthy, connector = sqlite.descriptor } = mode;
  const folder = await mkdtemp(join(tmpdir(), 'sluice-sqlite-'));
  let places = 0;
  // The children run the sources as they are.
  process.env['NODE_OPTIONS'] = `--import ${new URL('./resolve-typescript.ts', import.meta.url).href}`;
  return {
    connector,
    module,
    sink: {
      createPlace: () => Promise.resolve(createPlace(join(folder, `${++places}.db`), atomic)),
      carries: {
        key: true,
        headers: 'repeated',
        timestamp: true,
        nullPayload: true,
        emptyPayload: true,
        anyByte: true,
        maxPayloadBytes: Number.POSITIVE_INFINITY,
      },
      missing: { because: 'SQLite makes a file that is missing' },
      wrongCredentials: { because: 'SQLite has no users' },
      unreachable: { because: 'SQLite has no network' },
      refused: { because: 'SQLite takes every message' },
      isCommitRequest: { because: 'SQLite has no network' },
    },
    faults: { because: 'SQLite has no network' },
    secrets: [],
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

function createPlace(path: string, atomic: boolean): SinkPlace {
  return {
    config: { path, atomic },
    stored: () => Promise.resolve([storedIn(path)]),
    remove: () => rm(path, { force: true }),
  };
}

function storedIn(path: string): NativeMessage[] {
  const database = openDatabase(path);
  try {
    return database
      .prepare('SELECT payload, key, headers, timestamp FROM message ORDER BY id')
      .all()
      .map(({ payload, key, headers, timestamp }) => ({
        payload: bytesOf(payload),
        key: bytesOf(key),
        // Written by the connector.
        headers: (JSON.parse(String(headers)) as [string, string][]).map(
          ([header, value]) => [header, Buffer.from(value, 'base64')] as const,
        ),
        ...(typeof timestamp === 'number' ? { timestamp } : {}),
      }));
  } finally {
    database.close();
  }
}

function bytesOf(value: unknown): Uint8Array | null {
  return value instanceof Uint8Array ? value : null;
}
