import { z } from 'zod';
import { csvFraming } from './csv.js';
import type { CsvConfig } from './csv-config.js';
import type { Framing, FramingName } from './framing.js';
import { type LengthPrefixedConfig, lengthPrefixedFraming } from './length-prefixed.js';
import { type LinesConfig, linesFraming } from './lines.js';
import { type WholeConfig, wholeFraming } from './whole.js';

/** A framing by its name alone, or with options: `lines`, or `{ type: csv, delimiter: ";" }`. */
export type FramingConfig = FramingName | LinesConfig | CsvConfig | LengthPrefixedConfig | WholeConfig;

/** {@link FramingConfig} as users write it. */
export type FramingConfigInput =
  | FramingName
  | WithDefaults<LinesConfig>
  | WithDefaults<CsvConfig>
  | WithDefaults<LengthPrefixedConfig>
  | WithDefaults<WholeConfig>;

type WithDefaults<Config extends { readonly type: FramingName }> = Pick<Config, 'type'> & {
  readonly [Name in Exclude<keyof Config, 'type'>]?: Config[Name] | undefined;
};

const mebibyte = 1024 * 1024;

const limit = (defaultBytes: number, description: string) =>
  z
    .int()
    .min(1)
    .max(1024 * mebibyte)
    .default(defaultBytes)
    .describe(description);

/** One ASCII character, since rows are cut by single bytes. */
const character = z.string().regex(/^[\t\x20-\x7e]$/, 'must be one ASCII character');

const lines = z.strictObject({
  type: z.literal('lines').describe('One message per line, without its newline.'),
  newline: z
    .enum(['auto', 'lf', 'crlf'])
    .default('auto')
    .describe('auto: reads LF and CRLF, writes LF. crlf: reads both, writes CRLF. lf: a CR is a part of the message.'),
  skipEmpty: z
    .boolean()
    .default(false)
    .describe('Passes over empty lines; otherwise each is a message with an empty payload.'),
  maxMessageBytes: limit(
    16 * mebibyte,
    'The longest line in bytes, 16 MiB by default. A longer one is an invalid message.',
  ),
});

const csv = z
  .strictObject({
    type: z.literal('csv').describe('One message per row: an object of strings by column.'),
    delimiter: character.default(',').describe('Between two fields: one ASCII character.'),
    quote: z
      .union([character, z.literal(false)])
      .default('"')
      .describe('Around fields that hold a delimiter, newline or quote: one ASCII character, or false for no quoting.'),
    header: z.boolean().default(true).describe('Whether the first row holds the names of the columns.'),
    columns: z
      .array(
        z
          .string()
          .min(1)
          .refine((name) => name !== '__proto__', 'is not possible as a name'),
      )
      .min(1)
      .refine((names) => new Set(names).size === names.length, 'must not name a column twice')
      .optional()
      .describe(
        'The names of the columns, in order. Needed to write, and to read without a header; they replace those of a header.',
      ),
    relaxQuotes: z
      .boolean()
      .default(false)
      .describe('Takes a quote at the wrong place literally; otherwise its row is invalid.'),
    maxMessageBytes: limit(
      16 * mebibyte,
      'The longest row in bytes, 16 MiB by default. A longer one is an invalid message.',
    ),
  })
  .refine((config) => config.header || config.columns !== undefined, {
    path: ['columns'],
    message: 'is needed when there is no header',
  })
  .refine((config) => config.delimiter !== config.quote, {
    path: ['quote'],
    message: 'must differ from the delimiter',
  });

const lengthPrefixed = z.strictObject({
  type: z
    .literal('length-prefixed')
    .describe('Each message stands behind its length, an unsigned integer that does not count itself.'),
  lengthBytes: z.literal([1, 2, 4]).default(4).describe('Bytes of each length.'),
  endianness: z.enum(['big', 'little']).default('big').describe('Order of the bytes of a length.'),
  maxMessageBytes: limit(
    16 * mebibyte,
    'The longest message in bytes, 16 MiB by default. A larger length stops the reading.',
  ),
});

const whole = z.strictObject({
  type: z.literal('whole').describe('The whole stream is one message.'),
  maxMessageBytes: limit(
    64 * mebibyte,
    'The longest stream in bytes, 64 MiB by default. A longer one is an invalid message.',
  ),
});

/** The `framing` field of a connector's config. */
export const FramingConfig: z.ZodType<FramingConfig, FramingConfigInput> = z
  .union([
    z.enum(['lines', 'csv', 'length-prefixed', 'whole']),
    z.discriminatedUnion('type', [lines, csv, lengthPrefixed, whole]),
  ])
  .describe(
    'How bytes are cut into messages: lines, csv, length-prefixed or whole, or an object with that type and options.',
  );

/**
 * The `framing` field of a config that is written with: like {@link FramingConfig}, but csv must list its columns, because the
 * header of a file that is appended to cannot be seen when a row is written.
 */
export const SinkFramingConfig: z.ZodType<FramingConfig, FramingConfigInput> = FramingConfig.refine(
  (config) =>
    !(config === 'csv' || (typeof config === 'object' && config.type === 'csv' && config.columns === undefined)),
  { message: 'csv needs the list of columns to write: { type: csv, columns: [...] }' },
);

/** The framing that a config asks for. */
export function createFraming(config: FramingConfig): Framing {
  switch (config) {
    case 'lines':
      return linesFraming(lines.parse({ type: config }));
    case 'csv':
      return csvFraming(csv.parse({ type: config }));
    case 'length-prefixed':
      return lengthPrefixedFraming(lengthPrefixed.parse({ type: config }));
    case 'whole':
      return wholeFraming(whole.parse({ type: config }));
    default:
      return framingOf(config);
  }
}

function framingOf(config: Exclude<FramingConfig, FramingName>): Framing {
  switch (config.type) {
    case 'lines':
      return linesFraming(config);
    case 'csv':
      return csvFraming(config);
    case 'length-prefixed':
      return lengthPrefixedFraming(config);
    case 'whole':
      return wholeFraming(config);
  }
}
