import { fstatSync, fsync } from 'node:fs';
import type { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { BatchError, createFraming, type SinkDriver } from '@sluice/core/driver';
import type { FileSinkSettings } from './config.js';
import { named } from './error.js';
import { encoder } from './output-encoder.js';

const name = 'standard output';
const syncDescriptor = promisify(fsync);

/** Writes to an open stream, and waits for its reader. `descriptor` is synced where it is a file. */
export function openStdoutSink(stream: Writable, descriptor: number, config: FileSinkSettings): SinkDriver {
  // A write that was aborted may still be waiting in the stream.
  const encode = encoder(createFraming(config.framing), { buffers: 0 });
  const isFile = fstatSync(descriptor).isFile();
  let isFirst = true;
  // A stream that fails without a listener ends the process; the write that failed rejects as well.
  const ignore = (): void => undefined;
  stream.on('error', ignore);
  return {
    async write({ messages }, signal) {
      signal.throwIfAborted();
      const { bytes, failures } = encode(messages, isFirst);
      if (bytes.length > 0) await writeTo(stream, bytes, signal);
      isFirst &&= bytes.length === 0;
      if (failures.length > 0) throw new BatchError(failures);
    },
    async flush() {
      if (isFile) await syncDescriptor(descriptor);
    },
    close: async () => {
      stream.off('error', ignore);
    },
  };
}

/** Resolves when the system has the bytes. Rejects when aborted, although they may still be written then. */
function writeTo(stream: Writable, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    // A signal's reason is an error unless the caller chose another value.
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort);
    stream.write(bytes, (error) => {
      signal.removeEventListener('abort', onAbort);
      if (error) reject(named(error, name));
      else resolve();
    });
  });
}
