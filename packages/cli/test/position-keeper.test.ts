import { type Checkpoint, memoryCheckpoints, type Pipeline, type PipelineDefinition } from '@sluice/core';
import { defineConnector, z } from '@sluice/core/driver';
import { describe, expect, test } from 'vitest';
import { generate } from '../src/generate/connector.js';
import { positionKeeper } from '../src/position-keeper.js';

const stored: Checkpoint = { 'source:': { connector: 'generate', version: 1, identity: null, position: 7 } };

type Change = (stored: Checkpoint) => Checkpoint;

function atomicSink(positions: boolean) {
  let kept: Checkpoint = stored;
  return defineConnector({
    name: 'vault',
    title: 'Vault',
    contract: 1,
    sink: {
      config: z.strictObject({}),
      capabilities: () => ({
        atomic: true,
        idempotent: false,
        overlap: 'none',
        payload: 'bytes',
        changes: false,
        preferred: { maxMessages: 1, maxBytes: 1, maxInFlight: 1 },
      }),
      open: async () => {
        throw new Error('tools must not open the sink');
      },
      ...(positions
        ? {
            positions: {
              load: async () => kept,
              change: async (_config: unknown, _options: unknown, _pipeline: string, change: Change) => {
                kept = change(kept);
              },
            },
          }
        : {}),
    },
  }).sink({});
}

function keeperOf(sink: ReturnType<typeof atomicSink>, owner: 'sink' | 'store' | 'source' | 'none') {
  const definition: PipelineDefinition = {
    name: 'p',
    source: generate.source({}),
    sink,
    checkpoints: memoryCheckpoints(),
  };
  const guarantee = {
    delivery: 'effectively-once',
    ordered: true,
    owners: { source: owner },
    reasons: [],
    summary: '',
  } as const;
  // Only name and guarantee of a pipeline are read.
  return positionKeeper(definition, { name: 'p', guarantee } as unknown as Pipeline);
}

describe('positions', () => {
  test('that an atomic sink keeps are read and replaced without opening it', async () => {
    const keeper = keeperOf(atomicSink(true), 'sink');
    expect(await keeper.load()).toEqual(stored);
    await keeper.change(() => ({}));
    expect(await keeper.load()).toEqual({});
  });

  test('that the store keeps are read and replaced under a claim', async () => {
    const keeper = keeperOf(atomicSink(true), 'store');
    await keeper.change(() => stored);
    expect(await keeper.load()).toEqual(stored);
    await keeper.change((claimed) => ({
      ...claimed,
      'other:': { connector: 'x', version: 1, identity: null, position: 1 },
    }));
    expect(Object.keys(await keeper.load())).toEqual(['source:', 'other:']);
  });

  test.each([
    ['sink', /vault sink keeps the positions/],
    ['source', /use the tools of that system/],
    ['none', /nobody keeps any/],
  ] as const)('of owner "%s" that no tool reaches are refused with the reason', (owner, reason) => {
    expect(() => keeperOf(atomicSink(false), owner)).toThrow(reason);
  });
});
