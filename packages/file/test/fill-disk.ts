import { type FileHandle, open } from 'node:fs/promises';
import { onTestFinished } from 'vitest';

/**
 * A disk that has room for so many more bytes, as far as this process writes to open files: a real one takes a right that
 * tests do not have. Like a real one it takes what still fits.
 */
export async function fillDisk(roomBytes: number): Promise<() => void> {
  const handle = await open(import.meta.filename);
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const { writeFile: writeAll } = prototype;
  const write = prototype.write as (
    bytes: Uint8Array,
    offset: number,
    length: number,
  ) => Promise<{ bytesWritten: number }>;
  const full = (): Error => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  let room = roomBytes;
  Object.assign(prototype, {
    async write(this: FileHandle, bytes: Uint8Array, offset = 0) {
      if (room === 0) throw full();
      const { bytesWritten } = await write.call(this, bytes, offset, Math.min(room, bytes.length - offset));
      room -= bytesWritten;
      return { bytesWritten };
    },
    writeFile: () => Promise.reject(full()),
  });
  const makeRoom = (): void => {
    Object.assign(prototype, { write, writeFile: writeAll });
  };
  onTestFinished(makeRoom);
  return makeRoom;
}
