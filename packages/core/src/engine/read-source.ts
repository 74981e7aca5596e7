import { memoryCheckpoints } from '../checkpoint/memory-store.js';
import type { ErasedConnector } from '../connector.js';
import { ConnectorError } from '../error.js';
import type { ReadBatch, ReadSettings } from '../read.js';
import type { Sink } from '../sink.js';
import type { SinkBatch } from '../sink-driver.js';
import type { Source } from '../source.js';
import { Condition } from './condition.js';
import type { Lease } from './lease.js';
import { planOf } from './plan.js';
import { Run } from './run.js';

/** A batch that waits to be read, or is being handled. */
interface Offered {
  readonly batch: SinkBatch;
  readonly take: () => void;
  /** Nobody will handle it: it stays unsettled. */
  readonly leave: () => void;
}

/**
 * Reads a source without a pipeline: an engine run whose sink hands each batch to the caller. A batch counts as handled when
 * the next one is asked for or when it is committed; only a commit settles.
 */
export async function* readSource(
  source: Source,
  settings: ReadSettings = {},
): AsyncGenerator<ReadBatch, void, undefined> {
  const offered: Offered[] = [];
  const changed = new Condition();
  const stop = new AbortController();
  let over = false;
  /** Leases of which something was handled since the last commit. */
  const handled = new Set<Lease>();
  const offer = (batch: SinkBatch): Promise<void> =>
    new Promise((resolve, reject) => {
      for (const lease of run.leases) if (lease.key === batch.slices[0]?.partition && !lease.lost) handled.add(lease);
      const leave = (): void => reject(new ConnectorError('not_connected', 'the loop was left'));
      if (stop.signal.aborted) return leave();
      offered.push({ batch, take: resolve, leave });
      changed.notify();
    });
  // What is being handled can still be committed when the signal is aborted: the run is stopped when the loop is left.
  const onAbort = (): void => {
    over = true;
    changed.notify();
  };
  let ended = false;
  const run = new Run({ ...readerPlan(source, settings, offer), onEnd: end });
  settings.signal?.addEventListener('abort', onAbort);
  if (settings.signal?.aborted) onAbort();
  let failure: ConnectorError | undefined;
  const running = run.execute(stop.signal).then(
    () => end(),
    (error: unknown) => {
      failure = error as ConnectorError; // a run rejects with nothing else
      end();
    },
  );
  function end(): void {
    ended = true;
    changed.notify();
  }
  try {
    for (;;) {
      await changed.until(() => offered.length > 0 || ended || over);
      const [next] = offered;
      if (next === undefined || over) break;
      yield toReadBatch(next, run, handled);
      if (offered[0] === next) offered.shift();
      next.take();
    }
  } finally {
    over = true;
    stop.abort();
    for (const { leave } of offered) leave();
    settings.signal?.removeEventListener('abort', onAbort);
    await running;
  }
  if (failure !== undefined) throw failure;
}

function toReadBatch({ batch, take }: Offered, run: Run, handled: Set<Lease>): ReadBatch {
  const [slice] = batch.slices;
  if (slice === undefined || slice.position === undefined)
    throw new ConnectorError('internal', 'a batch came without its position');
  return {
    partition: slice.partition.slice(slice.partition.indexOf(':') + 1),
    messages: batch.messages,
    position: slice.position,
    commit: async () => {
      take();
      await run.plan.clock.yield(); // until the engine has heard of it: the commit is to cover this batch too
      await run.settleAndCommit();
      const untold = [...handled].find((lease) => lease.untold > 0);
      handled.clear();
      if (untold !== undefined) throw run.settler.saver?.failure ?? untold.commitFailure ?? lostWith(untold);
    },
  };
}

function lostWith({ key, partition }: Lease): ConnectorError {
  const text = `what was read of "${key}" could not be committed: the partition or the connection was lost meanwhile. It comes again.`;
  return new ConnectorError('lease_lost', text, { operation: 'commit', ...(partition === '' ? {} : { partition }) });
}

function readerPlan(
  source: Source,
  settings: ReadSettings,
  offer: (batch: SinkBatch) => Promise<void>,
): ReturnType<typeof planOf> {
  const plan = planOf({
    name: settings.name ?? source.connector.name,
    source,
    sink: readerSink(offer),
    checkpoints: settings.checkpoints ?? memoryCheckpoints(),
    ...(settings.clock === undefined ? {} : { clock: settings.clock }),
    ...(settings.onEvent === undefined ? {} : { onEvent: settings.onEvent }),
  });
  // The caller gets what the source's codec makes of it: nothing is encoded again.
  const branches = plan.branches.map((branch) => ({ ...branch, steps: [] }));
  // A batch is handled as long as it takes.
  return { ...plan, settles: 'onRequest', writeTimeoutMs: 2 ** 31 - 1, branches };
}

/** One batch at a time, each as the source gave it. */
function readerSink(offer: (batch: SinkBatch) => Promise<void>): Sink {
  const unused = (): never => {
    throw new ConnectorError('unsupported', 'the reader has no config');
  };
  const capabilities: Sink['capabilities'] = {
    atomic: false,
    idempotent: false,
    overlap: 'none',
    payload: 'bytes',
    changes: true,
    preferred: { maxMessages: 1, maxBytes: 1, maxInFlight: 1 },
  };
  const connector = {
    name: 'reader',
    title: 'Reader',
    contract: 1,
    sink: {
      config: undefined,
      capabilities: () => capabilities,
      open: () => ({ write: offer, close: () => Promise.resolve() }),
    },
  };
  return {
    direction: 'sink',
    connector: connector as unknown as ErasedConnector, // never parsed, so it needs no schema
    config: {},
    options: {},
    capabilities,
    open: unused,
    check: unused,
    discover: unused,
  };
}
