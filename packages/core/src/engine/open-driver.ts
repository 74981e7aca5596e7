import type { Clock } from '../clock.js';
import { ConnectorError } from '../error.js';
import type { Backoff } from './backoff.js';
import { givenUp, retriesForever, type WrapError } from './part-error.js';
import { settles, sleep } from './sleep.js';

/** How to open a driver. */
export interface OpenRequest<Driver> {
  readonly open: (signal: AbortSignal) => Promise<Driver>;
  readonly wrap: WrapError;
  readonly clock: Clock;
  readonly backoff: Backoff;
  /** Attempts after which an error that is not known to pass is given up. */
  readonly maxAttempts: number;
  /** All attempts together may take so long; undefined: no limit, because it was open before. */
  readonly limitMs: number | undefined;
  /** One attempt may take so long. */
  readonly attemptMs: number;
  /** How long an attempt that is under way may take to end when stopped. Default 1000. */
  readonly graceMs?: number;
  /** Ends trying. */
  readonly stop: AbortSignal;
  /** Told of every failure that is tried again. */
  readonly onRetry: (error: ConnectorError, attempt: number, delayMs: number) => void;
}

/**
 * Opens a driver, trying again with back-off what may pass.
 *
 * @throws {ConnectorError} the last failure, when it is fatal or time is up; `aborted` when stopped
 */
export async function openDriver<Driver extends { close(): Promise<void> }>(
  request: OpenRequest<Driver>,
): Promise<Driver> {
  const { clock, backoff, limitMs, stop } = request;
  const started = clock.now();
  while (!stop.aborted) {
    const leftMs = limitMs === undefined ? request.attemptMs : limitMs - (clock.now() - started);
    try {
      const driver = await attempt(request, Math.min(request.attemptMs, leftMs));
      return driver;
    } catch (thrown) {
      if (stop.aborted) break;
      const error = request.wrap(thrown, 'open');
      if (error.outcome !== 'retryable') throw error;
      const delayMs = backoff.next(error.retryAfterMs);
      const elapsedMs = clock.now() - started;
      if (limitMs !== undefined && elapsedMs + delayMs >= limitMs)
        throw givenUp(error, `gave up after ${seconds(elapsedMs)} s`);
      if (!retriesForever(error) && backoff.attempts >= request.maxAttempts) {
        throw givenUp(error, `gave up after ${backoff.attempts} attempts`);
      }
      request.onRetry(error, backoff.attempts, delayMs);
      await sleep(clock, delayMs, stop);
    }
  }
  throw new ConnectorError('aborted', 'stopped while opening');
}

async function attempt<Driver extends { close(): Promise<void> }>(
  request: OpenRequest<Driver>,
  ms: number,
): Promise<Driver> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  request.stop.addEventListener('abort', abort);
  const opening = request.open(controller.signal);
  try {
    const stopped = new Promise<void>((resolve) => controller.signal.addEventListener('abort', () => resolve()));
    if (!(await settles(request.clock, ms, Promise.race([opening, stopped])))) {
      throw new ConnectorError('timeout', `no answer within ${seconds(ms)} s`);
    }
    if (controller.signal.aborted && !(await settles(request.clock, request.graceMs ?? 1000, opening))) {
      throw new ConnectorError('aborted', 'stopped while opening');
    }
    return await opening;
  } catch (error) {
    controller.abort();
    // A driver that opens after all is not wanted any more; how its close ends is nobody's concern.
    opening.then((late) => late.close()).catch(() => undefined);
    throw error;
  } finally {
    request.stop.removeEventListener('abort', abort);
  }
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(ms < 10_000 ? 1 : 0);
}
