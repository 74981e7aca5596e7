import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Framing, FramingPosition } from '../../src/framing/framing.js';
import { createFraming, type FramingConfig } from '../../src/framing/framings.js';
import { type CutStream, cutStream, streams } from './cut-stream.js';

const bytesOf = (text: string): number[] => [...Buffer.from(text, 'latin1')];
const limits = fc.constantFrom(1, 2, 3, 5, 8, 13, 1000);

const lines: fc.Arbitrary<FramingConfig> = fc.record({
  type: fc.constant('lines'),
  newline: fc.constantFrom('auto', 'lf', 'crlf'),
  skipEmpty: fc.boolean(),
  maxMessageBytes: limits,
});

const csv: fc.Arbitrary<FramingConfig> = fc
  .record({
    type: fc.constant('csv'),
    delimiter: fc.constantFrom(',', ';'),
    quote: fc.constantFrom<string | false>('"', '"', false),
    header: fc.boolean(),
    columns: fc.constantFrom(undefined, ['a', 'b']),
    relaxQuotes: fc.boolean(),
    maxMessageBytes: limits,
  })
  .filter(({ header, columns }) => header || columns !== undefined);

const lengthPrefixed: fc.Arbitrary<FramingConfig> = fc.record({
  type: fc.constant('length-prefixed'),
  lengthBytes: fc.constantFrom(1, 2, 4),
  endianness: fc.constantFrom('big', 'little'),
  maxMessageBytes: fc.constantFrom(2, 1000),
});

const whole: fc.Arbitrary<FramingConfig> = fc.record({ type: fc.constant('whole'), maxMessageBytes: limits });

const cases: readonly [string, fc.Arbitrary<FramingConfig>, readonly number[]][] = [
  ['lines', lines, bytesOf('\n\n\n\r\rab\xff')],
  ['csv', csv, bytesOf('\n\n\n\r""",,;ab\xef\xbb\xbf')],
  ['length-prefixed', lengthPrefixed, [0, 0, 0, 0, 1, 2, 3]],
  ['whole', whole, bytesOf('ab\n')],
];

/** The numbers of rows are not known after a resume, so only what does not depend on them. */
function restOf({ payloads, ends, failures, thrown }: CutStream, from: number): object {
  const rest = failures.filter(({ index }) => index >= from).map(({ index, code }) => ({ index: index - from, code }));
  return { payloads: payloads.slice(from), ends: ends.slice(from), failures: rest, thrown };
}

describe.each(cases)('%s framing', (_name, configs, alphabet) => {
  const inputs = fc.tuple(configs, streams(alphabet));

  it('cuts the same messages however the stream is divided into chunks', () => {
    fc.assert(
      fc.property(inputs, ([config, { bytes, chunks }]) => {
        const framing = createFraming(config);
        const { unframer: _inWhole, ...whole } = cutStream(framing, [bytes]);
        const { unframer: _inParts, ...parts } = cutStream(framing, chunks);
        const { unframer: _byByte, ...bytewise } = cutStream(
          framing,
          Array.from(bytes, (byte) => Buffer.of(byte)),
        );
        expect(parts).toEqual(whole);
        expect(bytewise).toEqual(whole);
      }),
      { numRuns: 1000 },
    );
  });

  it('goes on with exactly the rest from the position after any message', () => {
    fc.assert(
      fc.property(inputs, ([config, { bytes, chunks }]) => {
        const framing = createFraming(config);
        const all = cutStream(framing, chunks);
        for (const [index, end] of all.ends.entries()) {
          // As it is when it was stored.
          const position = JSON.parse(JSON.stringify(all.unframer.positionAt(end))) as FramingPosition;
          const rest = cutStream(framing, [bytes.subarray(end)], position);
          expect(restOf(rest, 0)).toEqual(restOf(all, index + 1));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('gives ends that grow and never pass the stream, one for each message', () => {
    fc.assert(
      fc.property(inputs, ([config, { bytes, chunks }]) => {
        const { payloads, ends, failures } = cutStream(createFraming(config), chunks);
        expect(ends).toHaveLength(payloads.length);
        for (const [index, end] of ends.entries()) expect(end).toBeGreaterThan(ends[index - 1] ?? 0);
        expect(ends.at(-1) ?? 0).toBeLessThanOrEqual(bytes.length);
        expect(failures.every(({ index }, at) => index > (failures[at - 1]?.index ?? -1))).toBe(true);
      }),
    );
  });

  it('holds no more than one message of the largest size', () => {
    fc.assert(
      fc.property(inputs, ([config, { chunks }]) => {
        const framing: Framing = createFraming(config);
        const unframer = framing.unframe();
        const limit = typeof config === 'object' ? config.maxMessageBytes : 0;
        for (const chunk of chunks) {
          try {
            unframer.push(chunk);
          } catch {
            return;
          }
          expect(unframer.heldBytes).toBeLessThanOrEqual(limit + 3);
        }
      }),
    );
  });
});
