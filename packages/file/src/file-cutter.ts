import type { Frames, Framing, FramingPosition, ReadOptions, SourceBatch, Unframer } from '@sluice/core/driver';
import type { FileIdentity } from './file-identity.js';
import { toPosition } from './file-position.js';
import { batchesOf, positionBatch } from './frame-batches.js';

/** What a {@link FileCutter} cuts. */
export interface Cutting {
  /** The path that messages carry. */
  readonly topic: string;
  readonly framing: Framing;
  readonly options: ReadOptions;
  /** Where to begin; the start of the file when left out. */
  readonly from?: FramingPosition | undefined;
  readonly identity: FileIdentity;
  /** Whether messages are dropped until {@link FileCutter.keepFromHere}, because reading is to begin at the end. */
  readonly dropping?: boolean;
}

/** Turns the bytes of one file into batches. */
export class FileCutter {
  /** May be replaced by a fuller one while the file grows. */
  identity: FileIdentity;
  /** How many bytes the file has, as far as known; undefined for a compressed one. */
  size: number | undefined;
  readonly #cutting: Cutting;
  #unframer: Unframer;
  #start: number;
  #dropping: boolean;

  constructor(cutting: Cutting) {
    this.#cutting = cutting;
    this.#unframer = cutting.framing.unframe(cutting.from);
    this.#start = cutting.from?.bytes ?? 0;
    this.#dropping = cutting.dropping ?? false;
    this.identity = cutting.identity;
  }

  push(chunk: Uint8Array): SourceBatch[] {
    return this.#batches(this.#unframer.push(chunk));
  }

  /** The file begins anew. */
  restart(identity: FileIdentity): void {
    this.identity = identity;
    this.size = undefined;
    this.#unframer = this.#cutting.framing.unframe();
    this.#start = 0;
  }

  /** The file is complete. */
  end(): SourceBatch[] {
    return this.#batches(this.#unframer.end());
  }

  /** The end is reached: from here on messages are kept. Gives the position, so that a restart begins here, too. */
  keepFromHere(): SourceBatch[] {
    const batches = this.#dropping ? [this.here()] : [];
    this.#dropping = false;
    return batches;
  }

  /** Says where the reading stands. */
  here(finishedNs?: bigint): SourceBatch {
    const place = { file: this.identity, framing: this.#unframer.positionAt(this.#start) };
    return positionBatch(toPosition(finishedNs === undefined ? place : { ...place, finishedNs: String(finishedNs) }));
  }

  #batches(frames: Frames): SourceBatch[] {
    const { identity, size } = this;
    const { topic, options } = this.#cutting;
    const unframer = this.#unframer;
    const start = this.#start;
    this.#start = frames.ends.at(-1) ?? start;
    if (this.#dropping) return [];
    return batchesOf(frames, {
      topic,
      start,
      maxMessages: options.maxMessages,
      maxBytes: options.maxBytes,
      positionAt: (bytes) => toPosition({ file: identity, framing: unframer.positionAt(bytes) }),
      lagAt: (end) => (size === undefined ? undefined : Math.max(0, size - end)),
    });
  }
}
