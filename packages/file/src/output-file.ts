import type { BigIntStats } from 'node:fs';
import { constants, type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '@sluice/core/driver';
import { type Compression, compress, compressionOf } from './compression.js';
import { named } from './error.js';
import { statFile } from './open-file.js';

/** Compressed together, unless a flush comes first: larger pieces gain little. */
const pieceBytes = 1024 * 1024;
const newline = 0x0a;

/** How a file is written. */
export interface OutputSettings {
  /** Whether others may append to it at the same time. */
  readonly isShared: boolean;
  /** Whether it consists of lines. */
  readonly hasLines: boolean;
}

/** A file that is appended to. It keeps whole writes only: what of a failed one got to the disk is cut off again. */
export class OutputFile {
  readonly path: string;
  /** How many bytes it had on the disk after the last write. */
  length: number;
  readonly #settings: OutputSettings;
  readonly #handle: FileHandle;
  readonly #stats: BigIntStats;
  readonly #compression: Compression | undefined;
  /** Taken over and not compressed yet. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** A write that failed and of which something may lie on the disk. */
  #torn: { readonly from: number; readonly written: number } | undefined;
  #isDirty = false;

  private constructor(path: string, settings: OutputSettings, handle: FileHandle, stats: BigIntStats) {
    this.path = path;
    this.#settings = settings;
    this.length = Number(stats.size);
    this.#handle = handle;
    this.#stats = stats;
    this.#compression = compressionOf(path);
  }

  /** Opens a file, or makes it. */
  static async open(path: string, settings: OutputSettings): Promise<OutputFile> {
    const isNew = (await statFile(path)) === undefined;
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND, 0o666);
    try {
      if (isNew) await syncFolder(dirname(path));
      return new OutputFile(path, settings, handle, await handle.stat({ bigint: true }));
    } catch (error) {
      await handle.close();
      throw named(error, path);
    }
  }

  /** Whether nothing was written to it yet. */
  get isEmpty(): boolean {
    return this.length === 0 && this.#pendingBytes === 0;
  }

  get inode(): string {
    return String(this.#stats.ino);
  }

  /** Whether it can be cut off and made durable. Pipes and devices cannot. */
  get isRegular(): boolean {
    return this.#stats.isFile();
  }

  /** When it was made, in milliseconds since the epoch. */
  get madeAt(): number {
    return Number(this.#stats.birthtimeMs);
  }

  /** Takes bytes over: all of them, or none when it fails. */
  async write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    if (this.#compression === undefined) return this.#append(bytes);
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes < pieceBytes) return;
    try {
      await this.complete();
    } catch (error) {
      this.#pending.pop();
      this.#pendingBytes -= bytes.length;
      throw error;
    }
  }

  /** Ends what is compressed together, so that {@link length} covers everything that was taken over. */
  async complete(): Promise<void> {
    if (this.#compression === undefined || this.#pendingBytes === 0) return;
    await this.#append(await compress(Buffer.concat(this.#pending), this.#compression));
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  /** Makes everything that was taken over durable. */
  async flush(): Promise<void> {
    await this.complete();
    if (!this.#isDirty || !this.isRegular) return;
    await this.#run(() => this.#handle.datasync());
    this.#isDirty = false;
  }

  /** Cuts it off, and forgets what is not on the disk yet. */
  async cutTo(length: number): Promise<void> {
    this.#pending = [];
    this.#pendingBytes = 0;
    if (length === this.length) return;
    await this.#run(() => this.#handle.truncate(length));
    this.length = length;
    this.#isDirty = true;
  }

  /** Ends a last line that lacks its newline, so that the next one does not become a part of it. Says whether there was one. */
  async endLine(): Promise<boolean> {
    if (!this.#settings.hasLines || this.#compression !== undefined || !this.isRegular) return false;
    const last = Buffer.alloc(1);
    const size = await this.#size();
    if (size === 0) return false;
    await this.#run(() => this.#handle.read(last, 0, 1, size - 1));
    if (last[0] === newline) return false;
    await this.#append(Uint8Array.of(newline));
    return true;
  }

  /** Whether this is still the file at its path, as long as this one wrote it. */
  async isUntouched(): Promise<'untouched' | 'replaced' | 'resized'> {
    const stats = await statFile(this.path);
    if (stats?.ino !== this.#stats.ino || stats.dev !== this.#stats.dev) return 'replaced';
    return Number(stats.size) === this.length ? 'untouched' : 'resized';
  }

  /** Gives it another name, durably, and closes it. */
  async moveTo(path: string): Promise<void> {
    await rename(this.path, path);
    await syncFolder(dirname(path));
    await this.close();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #append(bytes: Uint8Array): Promise<void> {
    if (this.#torn !== undefined) await this.#mend(this.#torn);
    const from = this.#settings.isShared ? await this.#size() : this.length;
    let written = 0;
    this.#isDirty = true;
    try {
      while (written < bytes.length) written += (await this.#handle.write(bytes, written)).bytesWritten;
    } catch (error) {
      this.#torn = { from, written };
      // Where this fails, too, it is tried again before the next write.
      await this.#mend(this.#torn).catch(() => undefined);
      throw named(error, this.path);
    }
    this.length = from + written;
  }

  /** Takes back what a failed write left. */
  async #mend(torn: { readonly from: number; readonly written: number }): Promise<void> {
    const isLast = !this.#settings.isShared || (await this.#size()) === torn.from + torn.written;
    if (isLast && this.isRegular) await this.#run(() => this.#handle.truncate(torn.from));
    this.#torn = undefined;
    if (!isLast) await this.endLine();
  }

  async #size(): Promise<number> {
    return (await this.#run(() => this.#handle.stat())).size;
  }

  async #run<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw named(error, this.path);
    }
  }
}
