import { z } from 'zod';
import { textOf } from './bytes.js';
import { ConnectorError, messageOf } from './error.js';
import type { Message, Value } from './message.js';
import { parseTimestampPattern } from './timestamp-pattern.js';

/** The fields of a message that a template can take. */
export type TemplateField = 'topic' | 'key' | 'headers' | 'payload' | 'timestamp';

/** A text with fields of the message in it, checked and ready: `logs/{topic}/{timestamp:yyyy-MM-dd}`. */
export interface Template {
  /** As it was written. */
  readonly text: string;
  /** The fields that it takes, each once; none when it is the same text for every message. */
  readonly fields: readonly TemplateField[];
  /**
   * The text for this message.
   *
   * @throws {ConnectorError} `message_invalid` naming a field that is absent, null, or has no text
   */
  render(message: Message): string;
}

/** A template in a connector's config: checked with the rest of the config, and kept as text. */
export const TemplateText: z.ZodType<string, string> = z.string().superRefine((text, context) => {
  try {
    parseTemplate(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: messageOf(error) });
  }
});

/**
 * Reads a template. `{topic}`, `{key}`, `{key.path}`, `{headers.name}` (the last of that name), `{payload.path.to.field}` (array
 * items by number), `{timestamp}` (in milliseconds) and `{timestamp:yyyy-MM-dd}` (UTC; yyyy MM dd HH mm ss SSS) stand for
 * fields of the message, `{{` and `}}` for braces. Bytes are taken for UTF-8 text.
 *
 * @throws {ConnectorError} `config_invalid` with what is wrong, where, and what is possible
 */
export function parseTemplate(text: string): Template {
  const parts: Part[] = [];
  const fields = new Set<TemplateField>();
  // Doubled braces first, then a field; a brace that is left over stands alone.
  for (const { 0: token, 1: expression, index } of text.matchAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+/g)) {
    if (expression !== undefined) parts.push(parseField(expression, fields, text, index));
    else if (token === '{{' || token === '}}') parts.push(token.slice(1));
    else if (token === '{' || token === '}')
      throw invalid(text, index, `"${token}" stands alone; write "${token}${token}" for the character`);
    else parts.push(token);
  }
  return {
    text,
    fields: [...fields],
    render(message) {
      let rendered = '';
      for (const part of parts) rendered += typeof part === 'string' ? part : part(message);
      return rendered;
    },
  };
}

type Part = string | ((message: Message) => string);

const possible = '{topic}, {key}, {headers.name}, {payload.path}, {timestamp:yyyy-MM-dd}';

function parseField(expression: string, fields: Set<TemplateField>, text: string, index: number): Part {
  const [, field, separator, rest = ''] = /^([^.:]*)([.:]?)(.*)$/s.exec(expression) ?? [];
  const name = `${field}${separator}`;
  const part = partOf(name, rest, expression, (reason) => invalid(text, index, `{${expression}}: ${reason}`));
  if (part === undefined) throw invalid(text, index, `{${expression}} is not a field; use ${possible}`);
  fields.add(field as TemplateField); // partOf knows only these.
  return part;
}

/** The field `name` (with what comes between it and `rest`), undefined when there is no such field. */
function partOf(
  name: string,
  rest: string,
  expression: string,
  error: (reason: string) => ConnectorError,
): Part | undefined {
  switch (name) {
    case 'topic':
      return (message) => rendered(message.topic, expression);
    case 'timestamp':
      return ({ timestamp }) => rendered(timestamp, expression);
    case 'timestamp:':
      return timestampPart(rest, expression, error);
    case 'key':
      return (message) => rendered(message.key, expression);
    case 'key.':
      return pathPart('key', rest, expression, error);
    case 'payload.':
      return pathPart('payload', rest, expression, error);
    case 'headers.':
      if (rest === '') throw error('the name of the header is missing');
      return (message) => rendered(message.headers.findLast(([header]) => header === rest)?.[1], expression);
    default:
      return undefined;
  }
}

function timestampPart(pattern: string, expression: string, error: (reason: string) => ConnectorError): Part {
  let format: (date: Date) => string;
  try {
    format = parseTimestampPattern(pattern);
  } catch (cause) {
    throw error(`"${pattern}" is not a pattern: ${messageOf(cause)}`);
  }
  return ({ timestamp }) => {
    if (timestamp === undefined) throw absent(expression);
    const date = new Date(timestamp);
    if (Number.isNaN(date.getTime())) throw unusable(expression, `${timestamp} is not a time`);
    return format(date);
  };
}

function pathPart(
  field: 'key' | 'payload',
  path: string,
  expression: string,
  error: (reason: string) => ConnectorError,
): Part {
  const steps = path.split('.');
  if (steps.includes('')) throw error('a name in the path is missing');
  return (message) => {
    let value: Value | undefined = message[field];
    if (value instanceof Uint8Array) {
      throw unusable(
        expression,
        `the ${field} is bytes${field === 'payload' ? '; set a codec, e.g. json, on the source' : ''}`,
      );
    }
    for (const step of steps) value = fieldOf(value, step);
    return rendered(value, expression);
  };
}

function fieldOf(value: Value | undefined, name: string): Value | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as { readonly [name: string]: Value })[name]; // Own fields of arrays and objects are Values.
}

function rendered(value: Value | undefined, expression: string): string {
  if (typeof value === 'string') return value;
  if (value === undefined || value === null) throw absent(expression);
  const hasFields = typeof value === 'object' && !(value instanceof Uint8Array || value instanceof Date);
  if (hasFields)
    throw unusable(expression, `it is ${Array.isArray(value) ? 'an array' : 'an object'}; name a field of it`);
  try {
    return textOf(value);
  } catch (cause) {
    throw unusable(expression, messageOf(cause));
  }
}

function absent(expression: string): ConnectorError {
  return unusable(expression, 'the message does not have it');
}

function unusable(expression: string, reason: string): ConnectorError {
  return new ConnectorError('message_invalid', `{${expression}} could not be filled in: ${reason}`);
}

function invalid(text: string, index: number, reason: string): ConnectorError {
  const message = `template ${JSON.stringify(text)} is not valid at character ${index + 1}: ${reason}`;
  return new ConnectorError('config_invalid', message, { issues: [{ path: [], message }] });
}
