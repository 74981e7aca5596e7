import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CheckpointFile,
  decodeCheckpointFile,
  encodeCheckpointFile,
} from '../../src/checkpoint/checkpoint-file.js';
import type { Checkpoint } from '../../src/sink-driver.js';
import type { Position } from '../../src/source-driver.js';

const holder = { id: '7c1e', pid: 12, host: 'a', since: '2026-11-21T10:00:00.000Z' };
const from = { path: '/data/orders.json', pipeline: 'orders' };

const checkpoints: fc.Arbitrary<Checkpoint> = fc.dictionary(
  fc.string({ unit: 'binary' }),
  fc.record({
    connector: fc.string(),
    version: fc.nat(),
    identity: fc.option(fc.string({ unit: 'binary' })),
    // fast-check's type for JSON values is a wider one with mutable arrays.
    position: fc.jsonValue() as fc.Arbitrary<Position>,
  }),
);

function fileOf(checkpoint: Checkpoint, pipeline = 'orders'): CheckpointFile {
  return { pipeline, holder, checkpoint };
}

const smallFile = encodeCheckpointFile(
  fileOf({ 'orders:3': { connector: 'kafka', version: 1, identity: 'é', position: 41 } }),
);

describe('a checkpoint file', () => {
  it('gives back what was put in', () => {
    fc.assert(
      fc.property(checkpoints, fc.string({ unit: 'binary' }), (checkpoint, pipeline) => {
        const file = fileOf(checkpoint, pipeline);
        const decoded = decodeCheckpointFile(encodeCheckpointFile(file), { path: 'x', pipeline });
        // As JSON, because -0 is 0 in it.
        expect(decoded).toEqual(JSON.parse(JSON.stringify(file)));
      }),
    );
  });

  it('is JSON that people can read', () => {
    const text = Buffer.from(smallFile).toString();
    expect(JSON.parse(text)).toEqual({
      version: 1,
      pipeline: 'orders',
      holder,
      checkpoint: { 'orders:3': { connector: 'kafka', version: 1, identity: 'é', position: 41 } },
      checksum: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    });
    expect(text).toContain('\n    "orders:3": {\n');
  });

  it('is refused when any bit of any byte is wrong', () => {
    for (let at = 0; at < smallFile.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = smallFile.map((byte, index) => (index === at ? byte ^ (1 << bit) : byte));
        expectLost(damaged);
      }
    }
  });

  it('is refused when it is cut short, or anything was added', () => {
    for (let length = 0; length < smallFile.length; length++) {
      expectLost(smallFile.subarray(0, length));
      expectLost(smallFile.subarray(smallFile.length - length));
    }
    expectLost(Buffer.concat([smallFile, Buffer.from('\n')]));
    expectLost(Buffer.concat([Buffer.from(' '), smallFile]));
    expectLost(Buffer.concat([smallFile, smallFile]));
  });

  it('names the file and what to do when it is damaged', () => {
    expect(() => decodeCheckpointFile(Buffer.alloc(0), from)).toThrow(
      'checkpoint file "/data/orders.json" is damaged: its checksum does not match its content. ' +
        'Restore it from a backup, or delete it to start over.',
    );
  });

  it('of another pipeline is refused', () => {
    const bytes = encodeCheckpointFile(fileOf({}, 'payments'));
    expect(() => decodeCheckpointFile(bytes, from)).toThrow(
      expect.objectContaining({
        code: 'position_lost',
        message: expect.stringContaining('belongs to pipeline "payments"'),
      }),
    );
  });

  it('of a newer version is refused as such, not as damaged', () => {
    // The checksum is that of the changed content.
    const newer =
      '{\n  "version": 2,\n  "cursor": 7,\n  "checksum": "sha256:ae11f8844cc875cb8718aca3677ef28e13fb2428da86e69f845642898fbac048"\n}\n';
    expect(() => decodeCheckpointFile(Buffer.from(newer), from)).toThrow(
      expect.objectContaining({ code: 'unsupported', message: expect.stringContaining('format 2') }),
    );
  });
});

function expectLost(bytes: Uint8Array): void {
  try {
    decodeCheckpointFile(bytes, from);
  } catch (error) {
    // A plain comparison, because this runs thousands of times.
    if (error instanceof Error && 'code' in error && error.code === 'position_lost') return;
    throw error;
  }
  throw new Error(`damage was not noticed: ${Buffer.from(bytes).toString()}`);
}
