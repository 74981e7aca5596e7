import type { BatchFailure } from '@sluice/core/driver';

/** How writing a part of a batch ended: undefined when it succeeded and stays, else what refused it, and at which message if told. */
export type Attempt = { readonly error: unknown; readonly at: number | undefined } | undefined;

/**
 * Finds the messages that the server refuses, by writing ever smaller parts of the batch, in order. What is not refused is
 * written when it resolves.
 *
 * @param attempt writes the messages from `from` to just before `to`, or leaves no trace. What it throws ends the search.
 * @param maxFailures ends the search early, with the rest neither written nor judged
 */
export async function findRefused(
  count: number,
  attempt: (from: number, to: number) => Promise<Attempt>,
  maxFailures: number = Number.POSITIVE_INFINITY,
): Promise<readonly BatchFailure[]> {
  const failures: BatchFailure[] = [];
  const search = async (from: number, to: number): Promise<void> => {
    let start = from;
    while (start < to && failures.length < maxFailures) {
      const refused = await attempt(start, to);
      if (refused === undefined) return;
      const { error, at } = refused;
      if (to - start === 1) {
        failures.push({ index: start, error });
        return;
      }
      const isTold = at !== undefined && at >= start && at < to;
      const end = isTold ? at : start + Math.floor((to - start) / 2);
      await search(start, end);
      if (isTold) failures.push({ index: at, error });
      start = isTold ? at + 1 : end;
    }
  };
  await search(0, count);
  return failures;
}
