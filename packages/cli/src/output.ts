import { inspect } from 'node:util';
import { redactText } from '@sluice/core/driver';
import { messageOf } from './message-of.js';
import { BadInput } from './problem.js';

/** How one command prints. */
export interface OutputSettings {
  /** Results are JSON. */
  readonly json: boolean;
  /** Errors come with their stack. */
  readonly debug: boolean;
}

/** Where commands print: results to stdout, everything else to stderr, and never a secret. */
export interface Output extends OutputSettings {
  /** From now on the text is replaced by `***` in everything that is printed. */
  hide(secrets: readonly string[]): void;
  /** The text, or with `--json` the value on one line. */
  result(value: unknown, text: string): void;
  /** A line for people beside the result. */
  note(text: string): void;
  /** Tells an error, in as many lines as it has problems; its stack only with `--debug`. */
  failure(error: unknown): void;
  /** A copy of anything that is to be printed, without secrets. */
  redact(text: string): string;
  /** The same output, with the settings of a command. */
  with(settings: OutputSettings): Output;
}

/** The streams of a process. */
export interface Streams {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

export function createOutput(streams: Streams): Output {
  return outputWith(streams, new Set(), { json: false, debug: false });
}

function outputWith(streams: Streams, secrets: Set<string>, settings: OutputSettings): Output {
  const redact = (text: string): string => redactText(text, [...secrets]);
  const note = (text: string): void => void streams.stderr.write(`${redact(text)}\n`);
  return {
    ...settings,
    redact,
    note,
    hide: (more) => {
      for (const secret of more) secrets.add(secret);
    },
    result: (value, text) => {
      streams.stdout.write(settings.json ? `${toJson(value, redact)}\n` : `${redact(text)}\n`);
    },
    failure: (error) => {
      const prefix = error instanceof BadInput ? '' : 'error: ';
      note(prefix + (error instanceof BadInput ? error.message : messageOf(error)));
      if (settings.debug) note(inspect(error, { depth: 5 }));
    },
    with: (changed) => outputWith(streams, secrets, changed),
  };
}

/** A value as JSON without secrets. What JSON has no word for is written as text. */
function toJson(value: unknown, redact: (text: string) => string): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'string') return redact(item);
    return typeof item === 'bigint' ? String(item) : item;
  });
}
