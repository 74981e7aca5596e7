import { createFraming, FramingConfig, type FramingConfigInput, SinkFramingConfig, z } from '@sluice/core/driver';
import { compressionOf } from './compression.js';

/** A parsed config of the source. */
export interface FileSourceSettings {
  /**
   * One file, a pattern such as `logs/*.ndjson` (`*`, `**`, `?`, `[...]`, `{a,b}`; a backslash takes a character as it is), or
   * `-` for standard input. Relative to the working directory. `.gz` and `.zst` files are decompressed.
   */
  readonly path: string;
  /** How bytes become messages. Default `lines`. */
  readonly framing: FramingConfig;
  /**
   * Whether to keep reading files that grow, and with a pattern to look for new ones. Survives rotation by rename, by copy and
   * truncate, and by deletion. A last line is then a message only once its newline has come. Default false: the source ends
   * with its files.
   */
  readonly follow: boolean;
  /** How often a followed file that had nothing new is looked at, in milliseconds. Default 250. */
  readonly pollIntervalMs: number;
  /** How often a followed pattern is looked up again, in milliseconds. Default 1000, because it walks the folders. */
  readonly scanIntervalMs: number;
  /**
   * How long a followed file that was renamed or deleted must have been quiet before it counts as complete, in milliseconds.
   * Default 5000: a writer that is told to reopen its log may write to the old one for some seconds.
   */
  readonly rotateWaitMs: number;
  /** How many files of a pattern are read at the same time, when they are not followed. Default 4. */
  readonly maxOpenFiles: number;
}

/** When a {@link FileSinkSettings} output is renamed and a new one begun. Both are looked at when a flush is done. */
export interface RotateSettings {
  /** Rotates once the file holds so many bytes; as they lie on the disk, so compressed ones for `.gz` and `.zst`. */
  readonly maxBytes?: number | undefined;
  /** Rotates once the oldest message lies in the file for so many milliseconds. A file that nothing is written to stays. */
  readonly maxAgeMs?: number | undefined;
}

/** A parsed config of the sink. */
export interface FileSinkSettings {
  /**
   * The file to append to, or `-` for standard output. Relative to the working directory. It and its folder are made when they
   * are missing. With `.gz` or `.zst` at the end it is compressed.
   */
  readonly path: string;
  /**
   * How messages become bytes. Default `lines`. csv needs its columns, and writes a header into each new file. `whole` is
   * refused: nothing could tell the messages apart.
   */
  readonly framing: FramingConfig;
  /**
   * Whether a pipeline's positions are kept beside the output, in `<path>.checkpoint`, so that a restart cuts off what was not
   * recorded and nothing is written twice. One pipeline at a time may then write the file. Default true, and false for `-`.
   */
  readonly atomic?: boolean | undefined;
  /** When to rename the file to `<name>.<number>.<extensions>` and begin a new one. Left out, never. */
  readonly rotate?: RotateSettings | undefined;
}

/** Fields that have no default. */
type Given<Settings, Required extends keyof Settings> = Pick<Settings, Required> & {
  readonly [Field in keyof Settings]?: Settings[Field] | undefined;
};

/** Config of the source; see {@link FileSourceSettings} for each field. */
export type FileSourceConfig = Omit<Given<FileSourceSettings, 'path'>, 'framing'> & {
  readonly framing?: FramingConfigInput | undefined;
};

/** Config of the sink; see {@link FileSinkSettings} for each field. */
export type FileSinkConfig = Omit<Given<FileSinkSettings, 'path'>, 'framing'> & {
  readonly framing?: FramingConfigInput | undefined;
};

const path = z
  .string()
  .min(1)
  .refine((text) => !text.includes('\0'), 'must not hold a zero byte');
const dayMs = 24 * 60 * 60 * 1000;

/** Schema of the source's config. */
export const sourceConfig: z.ZodType<FileSourceSettings, FileSourceConfig> = z
  .strictObject({
    path: path
      .describe(
        'One file, a pattern such as `logs/*.ndjson`, or `-` for standard input. `.gz` and `.zst` are decompressed.',
      )
      .meta({ examples: ['logs/*.ndjson'] }),
    framing: FramingConfig.default('lines').describe('How bytes become messages.'),
    follow: z
      .boolean()
      .default(false)
      .describe('Whether to keep reading files that grow, and to look for new ones of a pattern.'),
    pollIntervalMs: z
      .int()
      .min(1)
      .max(dayMs)
      .default(250)
      .describe('How often a followed file that had nothing new is looked at.'),
    scanIntervalMs: z
      .int()
      .min(1)
      .max(dayMs)
      .default(1000)
      .describe('How often a followed pattern is looked up again.'),
    rotateWaitMs: z
      .int()
      .min(0)
      .max(dayMs)
      .default(5000)
      .describe('How long a followed file that was renamed or deleted must be quiet before it counts as complete.'),
    maxOpenFiles: z
      .int()
      .min(1)
      .max(1000)
      .default(4)
      .describe('How many files of a pattern are read at the same time, when they are not followed.'),
  })
  .superRefine((config, context) => {
    if (!config.follow) return;
    const message = whyNotFollowed(config);
    if (message !== undefined) context.addIssue({ code: 'custom', path: ['follow'], message });
  });

/** Schema of the sink's config. */
export const sinkConfig: z.ZodType<FileSinkSettings, FileSinkConfig> = z
  .strictObject({
    path: path
      .refine((text) => !/[/\\]$/.test(text), 'must name a file, not a folder')
      .refine((text) => !/\{.*\}/.test(text), 'must be a fixed path without {...}: templates are not supported')
      .describe('The file to append to, or `-` for standard output. With `.gz` or `.zst` at the end it is compressed.')
      .meta({ examples: ['orders.ndjson'] }),
    framing: SinkFramingConfig.default('lines').describe(
      'How messages become bytes; csv with its columns. `whole` is refused.',
    ),
    atomic: z
      .boolean()
      .optional()
      .describe(
        'Whether positions are kept beside the output, in `<path>.checkpoint`. Left out: true, and false for `-`.',
      ),
    rotate: z
      .strictObject({
        maxBytes: z.int().min(1).optional().describe('Rotates once the file holds so many bytes on the disk.'),
        maxAgeMs: z.int().min(1).optional().describe('Rotates once the oldest message lies in the file for so long.'),
      })
      .refine((rotate) => rotate.maxBytes !== undefined || rotate.maxAgeMs !== undefined, 'needs maxBytes or maxAgeMs')
      .optional()
      .describe('When to rename the file to `<name>.<number>.<extensions>` and begin a new one. Left out: never.'),
  })
  .superRefine((config, context) => {
    const refuse = (field: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [field], message });
    if (createFraming(config.framing).name === 'whole') {
      refuse(
        'framing',
        'must not be "whole": nothing could tell the messages of the file apart; use "lines" or "length-prefixed"',
      );
    }
    if (config.path !== '-') return;
    if (config.atomic === true) refuse('atomic', 'does not apply to standard output, which keeps nothing');
    if (config.rotate !== undefined) refuse('rotate', 'does not apply to standard output');
  });

/** Why a compressed file cannot be followed. */
export const notFollowed: string = 'does not apply to compressed files, which do not grow line by line';

function whyNotFollowed(config: FileSourceSettings): string | undefined {
  if (config.path === '-') return 'does not apply to standard input, which is read until it ends';
  if (createFraming(config.framing).name === 'whole')
    return 'does not go with framing "whole": a growing file is never whole';
  // With one of these it may be a pattern, whose new files are complete ones; that is told apart when the source opens.
  const isOneFile = !/[*?[\]{}()!+@\\]/.test(config.path);
  return isOneFile && compressionOf(config.path) !== undefined ? notFollowed : undefined;
}
