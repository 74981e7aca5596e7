import { ConnectorError } from '../error.js';
import type { StoredPosition } from '../sink-driver.js';
import type { Position, ReadOptions, SourceBatch } from '../source-driver.js';
import type { Lease } from './lease.js';
import type { Run } from './run.js';

/** A read asks for no more than this at once, however large the budget. */
const maxReadBytes = 1024 * 1024;
const maxReadMessages = 10_000;
/** Batches after which a source that is always ready lets timers and I/O have their turn. */
const batchesPerTurn = 32;

/** How a lease is to be read. */
export interface LeaseReading {
  readonly position: Position | undefined;
  readonly start: 'earliest' | 'latest' | undefined;
  /** How many partitions share the budget. */
  readonly partitions: number;
  readonly onBatch: () => void;
}

/** Reads a lease as far as the budget allows; resolves to true when the partition has ended by itself. */
export async function readLease(run: Run, lease: Lease, reading: LeaseReading): Promise<boolean> {
  const { budget } = run;
  const { signal } = lease.stopReading;
  const options = readOptions(run, signal, reading);
  const iterator = lease.driver.read(lease.partition, reading.position, options)[Symbol.asyncIterator]();
  lease.iterator = iterator;
  for (let batches = 1; !signal.aborted; batches++) {
    if (budget.full) {
      run.settler.budgetFull();
      await budget.room();
      continue;
    }
    if (!(await receiveNext(run, lease, iterator, reading.onBatch))) return !signal.aborted && !unwanted(lease);
    if (batches % batchesPerTurn === 0) await run.plan.clock.yield();
  }
  return false;
}

/**
 * Whether there was a batch. A function of its own because variables live as long as their function waits: with the batch in one, all
 * its messages would outlive it, until the next one comes.
 */
async function receiveNext(
  run: Run,
  lease: Lease,
  iterator: AsyncIterator<SourceBatch>,
  onBatch: () => void,
): Promise<boolean> {
  const result = await iterator.next();
  if (result.done === true || unwanted(lease)) return false;
  onBatch();
  const working = run.receive(lease, checkedBatch(result.value));
  if (working !== undefined) await working;
  return true;
}

function unwanted(lease: Lease): boolean {
  return lease.discarded || lease.lost;
}

function readOptions(run: Run, signal: AbortSignal, { partitions, start }: LeaseReading): ReadOptions {
  const { budget, plan } = run;
  const share = Math.max(2, partitions); // so that there is room for a batch while another one is written
  const maxMessages = Math.min(
    plan.batch.maxMessages ?? maxReadMessages,
    maxReadMessages,
    Math.floor(budget.maxMessages / share),
  );
  return {
    maxMessages: Math.max(1, maxMessages),
    maxBytes: Math.max(1, Math.min(maxReadBytes, Math.floor(budget.maxBytes / share))),
    signal,
    ...(start === undefined ? {} : { start }),
  };
}

/** @throws {ConnectorError} `internal` when the driver breaks the contract in a way that would lose data */
function checkedBatch(batch: SourceBatch): SourceBatch {
  if (batch.position === undefined || !Array.isArray(batch.messages)) {
    throw new ConnectorError('internal', 'the connector gave a batch without messages or position');
  }
  return batch;
}

/** @throws {ConnectorError} `position_lost` when the stored position belongs elsewhere */
export function checkedPosition(stored: StoredPosition, lease: Lease): Position {
  const { connector } = lease.source.source;
  const version = connector.source?.positionVersion ?? 1;
  const identity = lease.driver.identity ?? null;
  if (stored.connector !== connector.name) throw misplaced(`is one of connector "${stored.connector}"`);
  if (stored.version !== version)
    throw misplaced(`has version ${stored.version}, and this connector reads version ${version}`);
  if (stored.identity !== identity) throw misplaced(`belongs to "${stored.identity}", and this is "${identity}"`);
  return stored.position;
}

function misplaced(what: string): ConnectorError {
  const advice = 'Give the pipeline another name, reset its position, or set "onPositionLost".';
  return new ConnectorError('position_lost', `the stored position ${what}. ${advice}`);
}
