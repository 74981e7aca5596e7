/** What of a column decides whether two texts can be the same key for the server. */
export interface KeyType {
  /** The type's own name: that of a domain's base type. */
  readonly baseType: string;
  /** As the server writes it: `numeric(10,2)`. */
  readonly type: string;
  readonly isArray: boolean;
  /** Whether its collation, if it has one, takes only the same bytes for equal. */
  readonly isDeterministic: boolean;
}

/** Whether a text is the only one for its value among those that this says yes to. No is always right, and costs a question. */
export type IsCanonical = (text: string) => boolean;

const isInteger: IsCanonical = (text) => /^(?:0|-?[1-9]\d*)$/.test(text);
// Trailing blanks do not count in char(n), and beyond n not in varchar(n) either.
const isUnpadded: IsCanonical = (text) => !text.endsWith(' ');

const canonical = new Map<string, IsCanonical>(
  Object.entries({
    bool: (text) => text === 'true' || text === 'false',
    bpchar: isUnpadded,
    date: (text) => /^\d{4}-\d\d-\d\d$/.test(text),
    int2: isInteger,
    int4: isInteger,
    int8: isInteger,
    numeric: isInteger,
    text: () => true,
    timestamptz: (text) => /^\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3])(?::[0-5]\d){2}\.\d{3}Z$/.test(text),
    uuid: (text) => /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/.test(text),
    varchar: isUnpadded,
  }),
);

/** What these have to be called to round none of those texts: the name of a domain hides a precision, and a negative scale. */
const unrounded = new Map<string, RegExp>(
  Object.entries({
    numeric: /^numeric(?:\(\d+,\d+\))?$/,
    timestamptz: /^timestamp with time zone$/,
  }),
);

/** Tells canonical texts of a column. Equal values of any other type have to be found by the server. */
export function canonicalTexts({ baseType, type, isArray, isDeterministic }: KeyType): IsCanonical {
  const isExact = !isArray && isDeterministic && unrounded.get(baseType)?.test(type) !== false;
  return (isExact ? canonical.get(baseType) : undefined) ?? (() => false);
}
