import type { Guarantee, PipelineEvent } from '@sluice/core';
import { destination, pino } from 'pino';
import { eventText } from './event-text.js';
import { guaranteeText } from './guarantee-text.js';
import { messageOf } from './message-of.js';
import type { Output } from './output.js';

/** Tells what a running pipeline does. */
export interface EventLog {
  guarantee(name: string, guarantee: Guarantee): void;
  event(event: PipelineEvent): void;
  /** Something that the command itself has to say. */
  note(text: string): void;
  /** The error that ended the run. */
  failure(error: unknown): void;
}

/** JSON lines on stderr, for machines. Stdout belongs to the pipeline's own output. */
export function jsonLog(
  output: Output,
  stream: { write(line: string): unknown } = destination({ fd: 2, sync: true }),
): EventLog {
  const redacted = (fields: object): object =>
    JSON.parse(JSON.stringify(fields, (_key, item: unknown) => plain(item, output.redact))) as object;
  const logger = pino(
    { base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    stream,
  );
  return {
    // The text has the reasons.
    guarantee: (pipeline, { delivery, ordered, owners, summary }) =>
      logger.info({ event: 'guarantee', pipeline, delivery, ordered, owners }, output.redact(summary)),
    event: (event) => {
      const { type, at: _at, ...fields } = event.type === 'stopped' ? { ...event, error: undefined } : event;
      // The error that ended the run gets a line of its own.
      logger[levelOf(event)]({ event: type, ...redacted(fields) }, output.redact(eventText(event)));
    },
    note: (text) => logger.info(output.redact(text)),
    failure: (error) => {
      logger.error({ event: 'failed', ...redacted({ error }) }, output.redact(messageOf(error)));
      if (output.debug) output.failure(error);
    },
  };
}

/** Lines for people. */
export function textLog(output: Output): EventLog {
  return {
    guarantee: (name, guarantee) => output.note(guaranteeText(name, guarantee)),
    event: (event) => output.note(eventText(event)),
    note: output.note,
    failure: output.failure,
  };
}

function levelOf(event: PipelineEvent): 'info' | 'warn' {
  return event.type === 'degraded' || event.type === 'deadLetter' ? 'warn' : 'info';
}

function plain(item: unknown, redact: (text: string) => string): unknown {
  if (typeof item === 'string') return redact(item);
  if (typeof item === 'bigint') return String(item);
  if (!(item instanceof Error)) return item;
  return { message: redact(item.message), ...('code' in item ? { code: item.code } : {}) };
}
