import { join } from 'node:path';
import type { PostgresServer } from '@sluice/testkit';
import { type Measured, measureProcess } from '@sluice/testkit/bench';
import type { Client } from 'pg';
import type { CdcSubject } from './cdc-subject.js';

/** Makes the slot "bench", and rows that it has to tell of, so many in each transaction. */
export async function writeRows(client: Client, rows: number, rowsPerTransaction: number): Promise<void> {
  await client.query(`CREATE TABLE bench (id bigint PRIMARY KEY, name text, amount double precision, note text);
    CREATE PUBLICATION bench FOR TABLE bench`);
  await client.query("SELECT pg_create_logical_replication_slot('bench', 'pgoutput')");
  for (let from = 0; from < rows; from += rowsPerTransaction) {
    const to = Math.min(from + rowsPerTransaction, rows) - 1;
    await client.query(`INSERT INTO bench SELECT id, 'customer ' || id, id * 1.5, repeat('x', 40)
      FROM generate_series(${from}, ${to}) AS id`);
  }
}

/** Removes what {@link writeRows} has made. */
export async function removeRows(client: Client): Promise<void> {
  await client.query("SELECT pg_drop_replication_slot('bench')");
  await client.query('DROP PUBLICATION bench; DROP TABLE bench');
}

/**
 * Lets a subject read all rows, in a process of its own whose memory is watched from outside.
 *
 * @param nodeOptions for example limits of the heap
 */
export async function runCdcSubject(
  server: PostgresServer,
  subject: CdcSubject,
  rows: number,
  nodeOptions: readonly string[] = [],
): Promise<Measured> {
  const client = await server.connect();
  const slot = 'bench_run';
  // Each run reads the same.
  await client.query("SELECT pg_copy_logical_replication_slot('bench', $1)", [slot]);
  try {
    const script = join(import.meta.dirname, 'cdc-subject.ts');
    return await measureProcess(script, [subject, server.directUrl, slot, String(rows)], nodeOptions);
  } finally {
    await dropSlot(client, slot);
    await client.end();
  }
}

/** The server may still be busy with a connection that has ended. */
async function dropSlot(client: Client, slot: string): Promise<void> {
  const end = 'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1';
  for (;;) {
    await client.query(end, [slot]);
    const free = 'SELECT 1 FROM pg_replication_slots WHERE slot_name = $1 AND NOT active';
    if ((await client.query(free, [slot])).rowCount === 1) break;
  }
  await client.query('SELECT pg_drop_replication_slot($1)', [slot]);
}
