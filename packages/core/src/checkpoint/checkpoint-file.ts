import { createHash } from 'node:crypto';
import { ConnectorError } from '../error.js';
import type { Checkpoint } from '../sink-driver.js';

/** Grows when the shape of the file changes. */
const formatVersion = 1;

/** Who claimed a checkpoint. */
export interface CheckpointHolder {
  /** Differs for every claim: a holder that finds another one's has lost its claim. */
  readonly id: string;
  /** For people only: two containers may have the same one. */
  readonly pid: number;
  readonly host: string;
  /** When it was claimed, in ISO 8601. */
  readonly since: string;
}

/** What a checkpoint file says. */
export interface CheckpointFile {
  readonly pipeline: string;
  readonly holder: CheckpointHolder;
  readonly checkpoint: Checkpoint;
}

/** Turns a checkpoint into the bytes of its file: JSON for people to read, whose last field is a checksum of all before it. */
export function encodeCheckpointFile(file: CheckpointFile): Uint8Array {
  const { pipeline, holder, checkpoint } = file;
  const content = JSON.stringify({ version: formatVersion, pipeline, holder, checkpoint }, undefined, 2).slice(
    0,
    -'\n}'.length,
  );
  return Buffer.from(content + checksumField(Buffer.from(content)));
}

/**
 * Reads a checkpoint file. Every changed, missing or added byte is noticed.
 *
 * @param from where the bytes come from, for the text of errors, and whose checkpoint is expected
 * @throws {ConnectorError} `position_lost` when it is damaged or of another pipeline
 * @throws {ConnectorError} `unsupported` when another version of Sluice wrote it
 */
export function decodeCheckpointFile(
  bytes: Uint8Array,
  from: { readonly path: string; readonly pipeline: string },
): CheckpointFile {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const content = file.subarray(0, Math.max(0, file.length - checksumFieldLength));
  if (!file.subarray(content.length).equals(Buffer.from(checksumField(content)))) {
    throw lost(from.path, 'is damaged: its checksum does not match its content');
  }
  // The checksum shows that an encoder of Sluice wrote it, and from here on only its version is in question.
  const parsed = JSON.parse(`${content.toString()}\n}`) as CheckpointFile & { readonly version: number };
  if (parsed.version !== formatVersion) {
    throw new ConnectorError(
      'unsupported',
      `checkpoint file "${from.path}" has format ${parsed.version}, and this version of Sluice reads format ${formatVersion}. Run the version that wrote it.`,
    );
  }
  if (parsed.pipeline !== from.pipeline) {
    throw lost(from.path, `belongs to pipeline "${parsed.pipeline}", not to "${from.pipeline}"`);
  }
  return { pipeline: parsed.pipeline, holder: parsed.holder, checkpoint: parsed.checkpoint };
}

function checksumField(content: Uint8Array): string {
  return `,\n  "checksum": "sha256:${createHash('sha256').update(content).digest('hex')}"\n}\n`;
}

const checksumFieldLength = checksumField(Buffer.alloc(0)).length;

function lost(path: string, why: string): ConnectorError {
  return new ConnectorError(
    'position_lost',
    `checkpoint file "${path}" ${why}. Restore it from a backup, or delete it to start over.`,
  );
}
