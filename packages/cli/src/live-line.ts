import type { PipelineStats } from '@sluice/core';
import type { EventLog } from './log.js';
import { lostIn } from './lost-messages.js';

/** Often enough to feel live, rarely enough to cost nothing. */
const everyMs = 500;

/** A terminal. */
export interface Terminal {
  readonly columns?: number;
  write(text: string): unknown;
}

/** One line at the foot of the terminal that tells how the pipeline is doing; other lines scroll by above it. */
export interface LiveLine {
  /** The log, with its lines kept apart from the live one. */
  readonly log: EventLog;
  /** Takes the line away. Idempotent. */
  stop(): void;
}

/** Starts the line. It keeps no process alive. */
export function startLiveLine(terminal: Terminal, log: EventLog, stats: () => PipelineStats): LiveLine {
  let last = { received: 0, atMs: performance.now() };
  let rate = 0;
  const clear = (): void => void terminal.write('\r\x1b[2K');
  const draw = (): void => {
    const now = stats();
    const atMs = performance.now();
    if (atMs - last.atMs >= everyMs / 2) {
      rate = ((now.received - last.received) * 1000) / (atMs - last.atMs);
      last = { received: now.received, atMs };
    }
    clear();
    // A line that is broken by the terminal could not be taken away again.
    terminal.write(liveText(now, rate).slice(0, (terminal.columns || 80) - 1));
  };
  const timer = setInterval(draw, everyMs);
  timer.unref();
  let stopped = false;
  const above = (tell: () => void): void => {
    if (!stopped) clear();
    tell();
  };
  return {
    log: {
      guarantee: (name, guarantee) => above(() => log.guarantee(name, guarantee)),
      event: (event) => above(() => log.event(event)),
      note: (text) => above(() => log.note(text)),
      failure: (error) => above(() => log.failure(error)),
    },
    stop: () => {
      if (stopped) return;
      stopped = true;
      clearInterval(timer);
      clear();
    },
  };
}

/** `12,345/s · lag 20 · in flight 3 · failed 0`, and `lost 7` where something was. */
export function liveText(stats: PipelineStats, rate: number): string {
  const lags = Object.values(stats.lag);
  const lag = lags.length === 0 ? [] : [`lag ${count(lags.reduce((sum, partition) => sum + partition, 0))}`];
  const failed = stats.failed + stats.deadLettered + stats.dropped;
  const lost = lostIn(stats);
  return [
    `${count(rate)}/s`,
    ...lag,
    `in flight ${count(stats.inFlight)}`,
    `failed ${count(failed)}`,
    ...(lost === 0 ? [] : [`lost ${count(lost)}`]),
  ].join(' · ');
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
