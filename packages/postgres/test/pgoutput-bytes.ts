/** Parts of messages of the replication protocol, as bytes. */
export function join(...parts: readonly (string | readonly number[] | Buffer)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));
}

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

export function zeroEnded(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

export function columns(
  ...all: readonly (readonly [name: string, type: number, modifier: number, flags: number])[]
): Buffer {
  const each = all.map(([name, type, modifier, flags]) => join([flags], zeroEnded(name), int32(type), int32(modifier)));
  return join(int16(all.length), ...each);
}

export function tuple(...values: readonly (string | null | undefined)[]): Buffer {
  const each = values.map((value) => {
    if (value === null) return Buffer.from('n');
    if (value === undefined) return Buffer.from('u');
    const text = Buffer.from(value);
    return join('t', int32(text.length), text);
  });
  return join(int16(values.length), ...each);
}
