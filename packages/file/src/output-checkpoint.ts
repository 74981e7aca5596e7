import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Checkpoint, ConnectorError, writeDurably } from '@sluice/core/driver';
import { ifExists } from './error.js';

/** Grows when the shape of the file changes. */
const formatVersion = 1;

/** What is recorded of an output: everything up to here counts as written. */
export interface OutputCheckpoint {
  /** Grows with each claim. */
  readonly fence: number;
  readonly pipeline: string;
  /** How many bytes of the file at the path count. */
  readonly length: number;
  /** When the first of them was written, in milliseconds since the epoch; 0 when there are none. */
  readonly begunAt: number;
  /** A file that this flush completed. It is renamed after the checkpoint was stored, so that may still have to be done. */
  readonly rotated?: RotatedOutput;
  readonly positions: Checkpoint;
}

/** An output that is complete. */
export interface RotatedOutput {
  /** Its new name, in the same folder. */
  readonly name: string;
  readonly length: number;
  readonly inode: string;
}

/** Replaces the checkpoint; durable when it resolves. Nobody sees it before the output is durable. */
export function writeCheckpoint(
  path: string,
  checkpoint: OutputCheckpoint,
  outputDurable?: Promise<void>,
): Promise<void> {
  const text = JSON.stringify(checkpoint);
  const file = { version: formatVersion, checksum: checksumOf(text), checkpoint };
  return writeDurably(path, Buffer.from(`${JSON.stringify(file)}\n`), outputDurable);
}

/**
 * Reads the checkpoint; undefined when there is none.
 *
 * @throws {ConnectorError} `position_lost` when it is damaged
 * @throws {ConnectorError} `unsupported` when another version of this connector wrote it
 */
export async function readCheckpoint(path: string): Promise<OutputCheckpoint | undefined> {
  const text = await ifExists(readFile(path, 'utf8'));
  if (text === undefined) return undefined;
  const file = parse(text);
  if (file === undefined) {
    throw new ConnectorError(
      'position_lost',
      `checkpoint "${path}" is damaged. Restore it from a backup, or delete it together with its output to start over.`,
    );
  }
  if (file.version !== formatVersion) {
    throw new ConnectorError(
      'unsupported',
      `checkpoint "${path}" has format ${file.version}, and this version of @sluice/file reads format ${formatVersion}. Use the version that wrote it.`,
    );
  }
  return file.checkpoint;
}

/** Undefined when it is not what {@link writeCheckpoint} writes, of whatever version. */
function parse(text: string): { readonly version: number; readonly checkpoint: OutputCheckpoint } | undefined {
  try {
    // Looked at closely only so far as to know that this connector wrote it: the checksum vouches for the rest.
    const file = JSON.parse(text) as { version: number; checksum: string; checkpoint: OutputCheckpoint } | null;
    return file?.checksum === checksumOf(JSON.stringify(file?.checkpoint)) ? file : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function checksumOf(text: string | undefined): string {
  return `sha256:${createHash('sha256')
    .update(text ?? '')
    .digest('hex')}`;
}
