import type { PipelineEvent } from '@sluice/core';
import type { EventLog } from './log.js';

/** How often the same part may tell of dead letters. */
const everyMs = 1000;

type DeadLetterEvent = Extract<PipelineEvent, { readonly type: 'deadLetter' }>;

/**
 * The log with dead letters summed up: the first is told at once, those after it once per second with their count and the
 * latest reason. Thousands of bad messages would otherwise write thousands of lines. Everything is told before the run's end.
 */
export function quietLog(log: EventLog): EventLog {
  const waiting = new Map<string, { event: DeadLetterEvent | undefined; readonly timer: NodeJS.Timeout }>();

  const tellWaiting = (key: string): void => {
    const entry = waiting.get(key);
    waiting.delete(key);
    clearTimeout(entry?.timer);
    if (entry?.event === undefined) return;
    log.event(entry.event);
    beQuiet(key);
  };
  const beQuiet = (key: string): void => {
    waiting.set(key, { event: undefined, timer: setTimeout(() => tellWaiting(key), everyMs).unref() });
  };

  return {
    ...log,
    event: (event) => {
      if (event.type === 'stopped') {
        for (const key of [...waiting.keys()]) tellWaiting(key);
        for (const { timer } of waiting.values()) clearTimeout(timer);
      }
      if (event.type !== 'deadLetter') return log.event(event);
      const key = `${event.part} ${String(event.dropped)}`;
      const entry = waiting.get(key);
      if (entry === undefined) {
        log.event(event);
        beQuiet(key);
      } else {
        entry.event = { ...event, count: event.count + (entry.event?.count ?? 0) };
      }
    },
  };
}
