// Loaded into a process by `node --import`: its disk takes 20 more bytes and is full then, as long as the file FULL_DISK exists. A
// disk that is really full takes a right that tests do not have.
import { existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const sign = process.env['FULL_DISK'] ?? '';
const handle = await open(import.meta.filename);
const prototype = Object.getPrototypeOf(handle) as FileHandle; // the methods of every handle are there
await handle.close();
const write = prototype.write as (bytes: Uint8Array, offset: number, length: number) => Promise<WriteResult>;
let room = 20;

interface WriteResult {
  readonly bytesWritten: number;
}

Object.assign(prototype, {
  async write(this: FileHandle, bytes: Uint8Array, offset = 0): Promise<WriteResult> {
    if (!existsSync(sign)) return write.call(this, bytes, offset, bytes.length - offset);
    if (room === 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const result = await write.call(this, bytes, offset, Math.min(room, bytes.length - offset));
    room -= result.bytesWritten;
    return result;
  },
});
