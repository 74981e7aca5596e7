/** Which transactions a snapshot of the server sees, as `pg_current_snapshot()` tells: all before `xmin`, none from `xmax` on. */
export interface ServerSnapshot {
  readonly xmin: bigint;
  readonly xmax: bigint;
  /** Those between that were under way. Subtransactions do not count: they end with theirs. */
  readonly running: ReadonlySet<bigint>;
}

/** A snapshot that sees nothing. */
export const seesNothing = '';

/** Reads `xmin:xmax:xip,xip`; undefined for {@link seesNothing}. */
export function parseSnapshot(text: string): ServerSnapshot | undefined {
  if (text === seesNothing) return undefined;
  const [xmin = '', xmax = '', running = ''] = text.split(':');
  return {
    xmin: BigInt(xmin),
    xmax: BigInt(xmax),
    running: new Set(running === '' ? [] : running.split(',').map(BigInt)),
  };
}

/**
 * Whether a committed transaction is visible in a snapshot. The log has only the lower 32 bits of its number; the upper ones are
 * those that bring it next to the snapshot, because the server lets no two numbers that are in use be 2^31 apart.
 */
export function sees(snapshot: ServerSnapshot | undefined, transactionId: number): boolean {
  if (snapshot === undefined) return false;
  const { xmin, xmax, running } = snapshot;
  const id = xmax + BigInt((transactionId - Number(xmax & 0xffff_ffffn)) | 0);
  return id < xmin || (id < xmax && !running.has(id));
}
