const fields: Readonly<Record<string, (date: Date) => string>> = {
  yyyy: (date) => digits(date.getUTCFullYear(), 4),
  MM: (date) => digits(date.getUTCMonth() + 1, 2),
  dd: (date) => digits(date.getUTCDate(), 2),
  HH: (date) => digits(date.getUTCHours(), 2),
  mm: (date) => digits(date.getUTCMinutes(), 2),
  ss: (date) => digits(date.getUTCSeconds(), 2),
  SSS: (date) => digits(date.getUTCMilliseconds(), 3),
};

/** The letters that stand for themselves, so that an ISO 8601 time can be written. */
const letters = ['T', 'Z'];

/** What a pattern may hold, for texts. */
const timestampFields: string = Object.keys(fields).join(', ');

/**
 * How to write a time, always in UTC: `yyyy-MM-dd` and the other {@link timestampFields}; `T`, `Z` and whatever is no letter
 * stand for themselves. By hand, because this closed list is all that a name of a topic or folder needs, and the libraries
 * that have patterns bring locales and the time zone of the machine.
 *
 * @throws {Error} with the first part of the pattern that has no meaning
 */
export function parseTimestampPattern(pattern: string): (date: Date) => string {
  const parts = (pattern.match(/([A-Za-z])\1*|[^A-Za-z]+/g) ?? []).map((part) => {
    if (Object.hasOwn(fields, part)) return fields[part];
    if (/[A-Za-z]/.test(part) && !letters.includes(part)) throw new Error(`"${part}" is not one of ${timestampFields}`);
    return part;
  });
  if (!parts.some((part) => typeof part === 'function')) throw new Error(`it has none of ${timestampFields}`);
  return (date) => {
    let text = '';
    for (const part of parts) text += typeof part === 'function' ? part(date) : part;
    return text;
  };
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0');
}
