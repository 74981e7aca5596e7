import { dirname, join } from 'node:path';
import {
  BatchError,
  type Checkpoint,
  ConnectorError,
  createFraming,
  type DriverContext,
  type FileLock,
  type Framing,
  lockFile,
  makeFolderDurably,
  removeLeftovers,
  type SinkBatch,
  type SinkDriver,
} from '@sluice/core/driver';
import { compressionOf } from './compression.js';
import type { FileSinkSettings } from './config.js';
import { named } from './error.js';
import { statFile } from './open-file.js';
import { type OutputCheckpoint, type RotatedOutput, readCheckpoint, writeCheckpoint } from './output-checkpoint.js';
import { type Encode, encoder } from './output-encoder.js';
import { OutputFile } from './output-file.js';
import { isRotationDue, nextRotatedName } from './rotation.js';

/**
 * A sink whose checkpoint lies beside its output, so that the two cannot disagree. Whatever instant the process dies at, the
 * next claim finds one of these, and makes the output what the checkpoint says:
 *
 * | the last step that was done | what a claim finds | what it does |
 * | --- | --- | --- |
 * | write, or just after it: append to the output | more than the recorded length | cuts it off |
 * | flush: sync the output and, at the same time, write and sync a new checkpoint beside the old one | the same, perhaps a leftover | cuts it off, deletes the leftover |
 * | flush: when both are done, rename it over the old one | exactly the recorded length | nothing |
 * | flush with rotation: the same, the checkpoint naming the rotated file | the inode of the rotated file at the path | renames it |
 * | flush with rotation: rename the output | no output, recorded length 0 | makes an empty one |
 * | flush with rotation: make a new output | an empty output | nothing |
 * | claim: cut off, or rename | what the next steps need | goes on there |
 * | claim: store a higher fence | exactly the recorded length | nothing |
 *
 * A machine that dies may also undo what was not synced yet, which leaves one of the rows above.
 */
export class AtomicSink implements SinkDriver {
  readonly #config: FileSinkSettings;
  readonly #context: DriverContext;
  readonly #path: string;
  readonly #framing: Framing;
  readonly #encode: Encode;
  #lock: FileLock | undefined;
  #output: OutputFile | undefined;
  /** Undefined before a claim, and from the start of a flush to its success. */
  #checkpoint: OutputCheckpoint | undefined;
  #begunAt = 0;
  /** The last write, which goes on while the next messages come. Once one has rejected, so do all after it, until a claim. */
  #writing: Promise<void> = Promise.resolve();
  /** The one before it. */
  #writingBefore: Promise<void> = Promise.resolve();

  constructor(config: FileSinkSettings, path: string, context: DriverContext) {
    this.#config = config;
    this.#context = context;
    this.#path = path;
    this.#framing = createFraming(config.framing);
    this.#encode = encoder(this.#framing, { buffers: compressionOf(path) === undefined ? 2 : 0 });
  }

  claim(partitions: readonly string[]): Promise<Checkpoint> {
    return this.#naming(async () => {
      const { positions } = await this.#takeOver();
      return Object.fromEntries(Object.entries(positions).filter(([partition]) => partitions.includes(partition)));
    });
  }

  write({ messages }: SinkBatch, signal: AbortSignal): Promise<void> {
    return this.#naming(async () => {
      signal.throwIfAborted();
      const { output } = await this.#claimed();
      // One more is taken while the last one is under way: its bytes lie elsewhere.
      await (output.isEmpty ? this.#writing : this.#writingBefore);
      signal.throwIfAborted();
      const { bytes, failures } = this.#encode(messages, output.isEmpty);
      if (failures.length > 0) throw new BatchError(failures);
      if (output.isEmpty) this.#begunAt = Date.now();
      this.#writeBehind(output, bytes);
    });
  }

  /**
   * Not awaited: the messages are bytes now, and the sooner they are let go, the less the heap grows. A function of its own, so that
   * what waits does not hold them.
   */
  #writeBehind(output: OutputFile, bytes: Uint8Array): void {
    this.#writingBefore = this.#writing;
    this.#writing = this.#writing.then(() => output.write(bytes));
    this.#writing.catch(ignore); // a later write or the flush rejects with it
  }

  flush(moved: Checkpoint, signal: AbortSignal): Promise<void> {
    return this.#naming(async () => {
      signal.throwIfAborted();
      const { output, checkpoint } = await this.#claimed();
      this.#checkpoint = undefined;
      await this.#writing;
      await output.complete();
      const isRotated = isRotationDue(this.#config.rotate, output.length, this.#begunAt);
      if (output.length === checkpoint.length && Object.keys(moved).length === 0 && !isRotated) {
        await output.flush();
        this.#checkpoint = checkpoint;
        return;
      }
      await this.#refuseOthers(output, checkpoint);
      const { fence, pipeline } = checkpoint;
      const positions = { ...checkpoint.positions, ...moved };
      this.#checkpoint = isRotated
        ? await this.#rotate(output, { fence, pipeline, positions })
        : await this.#record(
            { fence, pipeline, length: output.length, begunAt: this.#begunAt, positions },
            output.flush(),
          );
    });
  }

  async close(): Promise<void> {
    this.#checkpoint = undefined;
    await this.#closeOutput();
    this.#lock?.release();
    this.#lock = undefined;
  }

  async #claimed(): Promise<{ readonly output: OutputFile; readonly checkpoint: OutputCheckpoint }> {
    const checkpoint = this.#checkpoint ?? (this.#lock === undefined ? await this.#takeOver() : undefined);
    if (checkpoint !== undefined && this.#output !== undefined) return { output: this.#output, checkpoint };
    throw new ConnectorError(
      'conflict',
      `whether the last flush of "${this.#path}" happened is not known before it is claimed again`,
    );
  }

  async #closeOutput(): Promise<void> {
    await this.#writing.catch(ignore); // what failed was not flushed
    this.#writing = Promise.resolve();
    this.#writingBefore = this.#writing;
    await this.#output?.close();
  }

  /** Makes the output what the checkpoint says, and raises the fence. */
  async #takeOver(): Promise<OutputCheckpoint> {
    const { pipeline } = this.#context;
    this.#checkpoint = undefined;
    await this.#closeOutput();
    await makeFolderDurably(dirname(this.#path));
    this.#lock ??= lockOutput(this.#path);
    await removeLeftovers(this.#checkpointPath);
    const stored = await readCheckpoint(this.#checkpointPath);
    if (stored !== undefined && stored.pipeline !== pipeline && Object.keys(stored.positions).length > 0) {
      throw new ConnectorError(
        'config_invalid',
        `"${this.#path}" is written by pipeline "${stored.pipeline}". Choose another path for "${pipeline}", or delete "${this.#checkpointPath}" to append to what is there.`,
      );
    }
    if (stored?.rotated !== undefined) await this.#finishRotation(stored.rotated);
    const output = await this.#openOutput(stored);
    this.#begunAt = stored?.begunAt || Date.now();
    this.#checkpoint = await this.#record({
      fence: (stored?.fence ?? 0) + 1,
      pipeline,
      length: output.length,
      begunAt: this.#begunAt,
      positions: stored?.positions ?? {},
    });
    return this.#checkpoint;
  }

  async #openOutput(stored: OutputCheckpoint | undefined): Promise<OutputFile> {
    const stats = await statFile(this.#path);
    if (stats !== undefined && !stats.isFile() && !stats.isDirectory()) {
      const advice = 'Set atomic to false to write to it, or path to "-" for standard output.';
      throw new ConnectorError(
        'unsupported',
        `"${this.#path}" is a pipe, socket or device, and what was written there cannot be cut off. ${advice}`,
      );
    }
    if (stored !== undefined) this.#refuseShorter(Number(stats?.size ?? 0), stored.length);
    this.#output = await this.#open();
    if (stored !== undefined) await this.#cut(this.#output, stored.length);
    else if (await this.#output.endLine())
      this.#context.notice(`"${this.#path}" ended inside a line; a newline was added before appending`);
    await this.#output.flush();
    return this.#output;
  }

  async #rotate(
    output: OutputFile,
    rest: Pick<OutputCheckpoint, 'fence' | 'pipeline' | 'positions'>,
  ): Promise<OutputCheckpoint> {
    const rotated = { name: await nextRotatedName(this.#path), length: output.length, inode: output.inode };
    const checkpoint = await this.#record({ ...rest, length: 0, begunAt: 0, rotated }, output.flush());
    await output.moveTo(join(dirname(this.#path), rotated.name));
    this.#output = await this.#open();
    return checkpoint;
  }

  /** The checkpoint says that the output has another name now; the process may have died before it got it. */
  async #finishRotation({ name, length, inode }: RotatedOutput): Promise<void> {
    const stats = await statFile(this.#path);
    if (stats === undefined || String(stats.ino) !== inode) return;
    this.#refuseShorter(Number(stats.size), length);
    const output = await this.#open();
    await this.#cut(output, length);
    await output.flush();
    await output.moveTo(join(dirname(this.#path), name));
  }

  /** What lies behind the recorded length is of messages that are read again, unless another program wrote it. */
  async #cut(output: OutputFile, recorded: number): Promise<void> {
    const surplus = output.length - recorded;
    await output.cutTo(recorded);
    if (surplus === 0) return;
    this.#context.notice(
      `cut ${surplus} bytes off the end of "${this.#path}", behind the ${recorded} that were recorded: what the pipeline wrote there comes again, what another program wrote there is gone`,
    );
  }

  /** Before a checkpoint is stored: the last one is still this holder's, and nobody else touched the output. */
  async #refuseOthers(output: OutputFile, checkpoint: OutputCheckpoint): Promise<void> {
    const found = await readCheckpoint(this.#checkpointPath);
    if (found?.fence !== checkpoint.fence) {
      throw new ConnectorError(
        'fenced',
        `another instance has taken "${this.#path}" over, or "${this.#checkpointPath}" was replaced. Run one instance only.`,
      );
    }
    const state = await output.isUntouched();
    if (state === 'untouched') return;
    const what = state === 'replaced' ? 'was moved, deleted or replaced' : 'was changed by another program';
    throw new ConnectorError(
      'fenced',
      `"${this.#path}" ${what} while it was written. Stop that program; for rotation set rotate.`,
    );
  }

  #refuseShorter(found: number, recorded: number): void {
    if (found >= recorded) return;
    throw new ConnectorError(
      'position_lost',
      `"${this.#path}" has ${found} bytes, but ${recorded} were recorded as written. Restore it, or delete "${this.#checkpointPath}" to start over from the beginning of the source.`,
    );
  }

  async #record(checkpoint: OutputCheckpoint, outputDurable?: Promise<void>): Promise<OutputCheckpoint> {
    await writeCheckpoint(this.#checkpointPath, checkpoint, outputDurable);
    return checkpoint;
  }

  #open(): Promise<OutputFile> {
    return OutputFile.open(this.#path, { isShared: false, hasLines: this.#framing.name !== 'length-prefixed' });
  }

  get #checkpointPath(): string {
    return checkpointPath(this.#path);
  }

  async #naming<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw named(error, this.#path);
    }
  }
}

function ignore(): void {}

/** Where the checkpoint of an output lies. */
export function checkpointPath(path: string): string {
  return `${path}.checkpoint`;
}

export function lockOutput(path: string): FileLock {
  const lockPath = `${path}.lock`;
  try {
    const lock = lockFile(lockPath);
    if (lock !== undefined) return lock;
  } catch (error) {
    throw named(error, lockPath);
  }
  throw new ConnectorError(
    'fenced',
    `"${path}" is being written by another sink, here or in another process. Stop that one, choose another path, or set atomic to false in both.`,
  );
}
