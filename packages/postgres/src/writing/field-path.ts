import type { Message, Value } from '@sluice/core/driver';

/** Takes a value out of a message; undefined when the message does not have it. */
export type FieldReader = (message: Message) => Value | undefined;

const whole: Readonly<Record<string, FieldReader>> = {
  payload: ({ payload }) => payload,
  key: ({ key }) => key,
  topic: ({ topic }) => topic ?? null,
  timestamp: ({ timestamp }) => (timestamp === undefined ? null : new Date(timestamp)),
  operation: ({ operation }) => operation ?? null,
  headers: ({ headers }) => headers,
};

/** Whether a text names a part of a message: `payload`, `payload.address.city`, `headers.name`. */
export function isFieldPath(path: string): boolean {
  return Object.hasOwn(whole, path) || /^(?:payload|key|headers)\../.test(path);
}

/** Whether it names a field inside the payload. */
export function namesFieldOfPayload(path: string): boolean {
  return path.startsWith('payload.');
}

/** The field of a message's schema that a path leads to whole: of a row, or of its key. */
export function schemaField(path: string): string | undefined {
  return /^(?:payload|key)\.([^.]+)$/.exec(path)?.[1];
}

/** The reader of a path for which {@link isFieldPath} holds. Items of arrays are named by their number. */
export function fieldReader(path: string): FieldReader {
  const found = whole[path];
  if (found !== undefined) return found;
  const [field = '', ...steps] = path.split('.');
  if (field === 'headers') {
    const name = steps.join('.');
    return ({ headers }) => headers.findLast(([header]) => header === name)?.[1];
  }
  const read = field === 'key' ? whole['key'] : whole['payload'];
  return (message) => {
    let value = read?.(message);
    for (const step of steps) value = isFields(value) && Object.hasOwn(value, step) ? value[step] : undefined;
    return value;
  };
}

/** Whether a value has fields: an object or an array. */
export function isFields(value: Value | undefined): value is { readonly [name: string]: Value } {
  return typeof value === 'object' && value !== null && !(value instanceof Date) && !ArrayBuffer.isView(value);
}
