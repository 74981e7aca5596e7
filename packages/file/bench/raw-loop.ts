// The loop that one would write by hand, over the same calls of Node: reads lines and, given an output, appends them to it. It
// makes them durable as often as a pipeline does, and stores beside the output how far it came.
import { type FileHandle, open } from 'node:fs/promises';
import { noHeaders, writeDurably } from '@sluice/core/driver';
import { reportCost } from '@sluice/testkit/bench';

/** What the loop hands to user code for each line: as much as a pipeline does. */
interface Line {
  readonly key: null;
  readonly payload: Buffer;
  readonly timestamp: undefined;
  readonly headers: typeof noHeaders;
}

const chunkBytes = 256 * 1024;
/** The defaults of a pipeline; whichever comes first. */
const flushIntervalMs = 1000;
const flushBytes = 32 * 1024 * 1024;
const newline = 0x0a;

async function rawLoop(input: string, output?: string): Promise<number> {
  const source = await open(input);
  const sink = output === undefined ? undefined : await open(output, 'w');
  let flushedAt = performance.now();
  let flushedTo = 0;
  let position = 0;
  let messages = 0;
  let rest = Buffer.alloc(0);
  for (;;) {
    const buffer = Buffer.allocUnsafeSlow(chunkBytes);
    const { bytesRead } = await source.read(buffer, 0, chunkBytes, position);
    if (bytesRead === 0) break;
    position += bytesRead;
    const chunk =
      rest.length === 0 ? buffer.subarray(0, bytesRead) : Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    const { lines, end } = linesOf(chunk);
    rest = chunk.subarray(end);
    messages += lines.length;
    if (sink === undefined) continue;
    await sink.write(joined(lines));
    if (performance.now() - flushedAt < flushIntervalMs && position - flushedTo < flushBytes) continue;
    await flush(sink, `${output}.checkpoint`, position - rest.length);
    flushedAt = performance.now();
    flushedTo = position;
  }
  if (sink !== undefined) await flush(sink, `${output}.checkpoint`, position);
  await sink?.close();
  await source.close();
  return messages;
}

async function flush(sink: FileHandle, checkpoint: string, position: number): Promise<void> {
  await sink.datasync();
  await writeDurably(checkpoint, Buffer.from(JSON.stringify({ position })));
}

function linesOf(chunk: Buffer): { readonly lines: readonly Line[]; readonly end: number } {
  const lines: Line[] = [];
  let from = 0;
  for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, from)) {
    lines.push({ key: null, payload: chunk.subarray(from, at), timestamp: undefined, headers: noHeaders });
    from = at + 1;
  }
  return { lines, end: from };
}

const ending = Buffer.of(newline);

function joined(lines: readonly Line[]): Buffer {
  const parts: Buffer[] = [];
  for (const { payload } of lines) parts.push(payload, ending);
  return Buffer.concat(parts);
}

const [input = '', output] = process.argv.slice(2);
await reportCost(() => rawLoop(input, output));
