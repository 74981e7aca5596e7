import fc from 'fast-check';
import { isConnectorError } from '../../src/error.js';
import type { Frames, Framing, FramingPosition, Unframer } from '../../src/framing/framing.js';
import type { Value } from '../../src/message.js';

/** What came out of cutting one stream, in a form that can be compared. */
export interface CutStream {
  readonly payloads: readonly Value[];
  readonly ends: readonly number[];
  readonly failures: readonly { readonly index: number; readonly code: string; readonly text: string }[];
  readonly thrown: string | undefined;
  readonly unframer: Unframer;
}

/** Pushes the chunks, then ends the stream. */
export function cutStream(framing: Framing, chunks: readonly Uint8Array[], position?: FramingPosition): CutStream {
  const payloads: Value[] = [];
  const ends: number[] = [];
  const failures: CutStream['failures'][number][] = [];
  const unframer = framing.unframe(position);
  const take = (frames: Frames): void => {
    for (const { index, error } of frames.failures) {
      if (!isConnectorError(error)) throw error;
      failures.push({ index: payloads.length + index, code: error.code, text: error.message });
    }
    payloads.push(
      ...frames.payloads.map((payload) => (payload instanceof Uint8Array ? Buffer.from(payload) : payload)),
    );
    ends.push(...frames.ends);
  };
  let thrown: string | undefined;
  try {
    for (const chunk of chunks) take(unframer.push(chunk));
    take(unframer.end());
  } catch (error) {
    if (!isConnectorError(error)) throw error;
    thrown = `${error.code}: ${error.message}`;
  }
  return { payloads, ends, failures, thrown, unframer };
}

/** The messages as text. */
export function textsOf({ payloads }: CutStream): string[] {
  return payloads.map((payload) =>
    payload instanceof Uint8Array ? Buffer.from(payload).toString() : JSON.stringify(payload),
  );
}

/** A stream of the given bytes' values, and places to cut it. */
export function streams(alphabet: readonly number[]): fc.Arbitrary<{ bytes: Buffer; chunks: Buffer[] }> {
  return fc
    .tuple(fc.array(fc.constantFrom(...alphabet), { maxLength: 60 }), fc.array(fc.nat(60), { maxLength: 12 }))
    .map(([values, cuts]) => {
      const bytes = Buffer.from(values);
      return { bytes, chunks: chunksOf(bytes, cuts) };
    });
}

/** The bytes, cut at these offsets; equal offsets make empty chunks. */
export function chunksOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const sorted = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((to, index) => Buffer.from(bytes.subarray(sorted[index], to)));
}
