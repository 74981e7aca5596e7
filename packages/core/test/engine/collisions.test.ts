import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineConnector } from '../../src/define-connector.js';
import { pipeline } from '../../src/pipeline.js';
import { plainReading, plainWriting } from '../../src/testing/inline-connector.js';

const config = z.strictObject({ topic: z.string(), isShared: z.boolean().default(true) });
const opened: string[] = [];

const connect = (name: string) =>
  defineConnector({
    name,
    title: name,
    contract: 1,
    source: {
      config,
      capabilities: () => plainReading,
      reads: async ({ topic }, _options, target) => topic === target,
      open: async ({ topic }) => {
        opened.push(topic);
        return { read: async function* () {}, close: async () => undefined };
      },
    },
    sink: {
      config,
      capabilities: () => ({ ...plainWriting, payload: 'value' }),
      writes: async ({ topic, isShared }) => {
        if (topic === 'gone') throw new Error('no such topic');
        return [{ name: topic, isShared }];
      },
      open: async ({ topic }) => {
        opened.push(topic);
        return { write: async () => undefined, close: async () => undefined };
      },
    },
  });

const acme = connect('acme');
const other = connect('other');

describe('a pipeline', () => {
  it('that would read its own output is refused before anything is opened, with every such place', async () => {
    const loops = pipeline({
      name: 'loops',
      sources: { in: acme.source({ topic: 'a' }), more: acme.source({ topic: 'b' }) },
      sinks: { one: acme.sink({ topic: 'a' }), two: { sink: acme.sink({ topic: 'b' }) } },
    });
    const error = {
      code: 'config_invalid',
      issues: [
        { path: ['sinks', 'one'], message: expect.stringMatching(/^writes to "a", which sources\.in reads: /) },
        { path: ['sinks', 'two'], message: expect.stringMatching(/^writes to "b", which sources\.more reads: /) },
      ],
    };
    await expect(loops.validate()).rejects.toMatchObject(error);
    await expect(loops.run()).rejects.toMatchObject(error);
    expect(opened).toEqual([]);
  });

  it('with two sinks on what is not shared is refused', async () => {
    const fan = (isShared: boolean) =>
      pipeline({
        name: 'fan',
        source: acme.source({ topic: 'a' }),
        sink: acme.sink({ topic: 'x', isShared }),
        deadLetter: { sink: acme.sink({ topic: 'x' }) },
      });
    await expect(fan(false).validate()).rejects.toThrow(/^pipeline "fan": deadLetter writes to "x", which sink writes/);
    await fan(true).validate();
  });

  it('is not refused for the same name in two systems', async () => {
    const move = pipeline({
      name: 'move',
      source: acme.source({ topic: 'a' }),
      sink: other.sink({ topic: 'a', isShared: false }),
      deadLetter: { sink: acme.sink({ topic: 'x' }) },
    });
    await expect(move.validate()).resolves.toBeUndefined();
  });

  it('whose sink cannot tell where it writes says so', async () => {
    const source = acme.source({ topic: 'a' });
    await expect(pipeline({ name: 'lost', source, sink: acme.sink({ topic: 'gone' }) }).run()).rejects.toThrow(
      'acme sink could not tell what it writes to: no such topic',
    );
  });
});
