import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConnectorError } from '../../src/error.js';
import type { ReadBatch, ReadSettings } from '../../src/read.js';
import { fail, hang, keyText, type MemorySourceInput } from '../../src/testing/index.js';
import { expectNoViolations, keys, type World, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(() => expectNoViolations(here));

const until = <T>(promise: Promise<T>): Promise<T> => here.system.clock.settle(promise);
const keysOf = (batch: ReadBatch): string[] => batch.messages.map(keyText);

function read(config: Partial<MemorySourceInput> = {}, settings: ReadSettings = {}): AsyncIterable<ReadBatch> {
  const source = here.memory.source({ stream: 'in', bounded: true, batchMessages: 2, ...config });
  return source.read({
    clock: here.instance.clock,
    checkpoints: here.system.checkpointStore(here.instance),
    ...settings,
  });
}

/** Reads to the end and returns the keys of each batch. */
function readAll(
  batches: AsyncIterable<ReadBatch>,
  handle?: (batch: ReadBatch) => Promise<void> | void,
): Promise<string[][]> {
  const all: string[][] = [];
  return until(
    (async () => {
      for await (const batch of batches) {
        all.push(keysOf(batch));
        await handle?.(batch);
      }
      return all;
    })(),
  );
}

const position = (): unknown => here.system.savedCheckpoint('memory')['source:p']?.position;

describe('reading without a pipeline', () => {
  it('gives the batches of the source with their partition and position, untouched', async () => {
    here.produce('p', ...keys('p', 5));
    const positions: unknown[] = [];
    const all = await readAll(read(), ({ partition, position: at, messages }) => {
      positions.push(at);
      expect(partition).toBe('p');
      expect(messages[0]?.payload).toBeInstanceOf(Uint8Array);
    });
    expect(all).toEqual([['p1', 'p2'], ['p3', 'p4'], ['p5']]);
    expect(positions).toMatchObject([{ next: 2 }, { next: 4 }, { next: 5 }]);
  });

  it('decodes with the codec of the source', async () => {
    here.produce('p', '1', '{"a":2}');
    const source = here.memory.source({ stream: 'in', bounded: true }, { codec: 'json' });
    const payloads: unknown[] = [];
    await readAll(source.read({ clock: here.instance.clock }), ({ messages }) => {
      payloads.push(...messages.map(({ payload }) => payload));
    });
    expect(payloads).toEqual([1, { a: 2 }]);
  });

  it('settles with a commit everything that was read up to there', async () => {
    here.produce('p', ...keys('p', 6));
    let batches = 0;
    await readAll(read(), async (batch) => {
      batches++;
      if (batches === 2) {
        await batch.commit();
        expect(position()).toMatchObject({ next: 4 });
      }
    });
    expect(position()).toMatchObject({ next: 4 });
    expect(await readAll(read())).toEqual([['p5', 'p6']]);
  });

  it('settles batches of every partition', async () => {
    here.produce('p', 'p1');
    here.produce('q', 'q1');
    let last: ReadBatch | undefined;
    let batches = 0;
    await readAll(read(), async (batch) => {
      batches++;
      last = batch;
      if (batches === 2) await last.commit();
    });
    expect(await readAll(read())).toEqual([]);
  });

  it('commits to a source that keeps the position itself', async () => {
    here.produce('p', ...keys('p', 4));
    await readAll(read({ position: 'source' }), (batch) => batch.commit());
    expect(here.system.stream('in').group('memory').progress('p').committed).toBe(4);
  });

  it('has come again what was not committed', async () => {
    here.produce('p', ...keys('p', 4));
    expect(await readAll(read())).toEqual([
      ['p1', 'p2'],
      ['p3', 'p4'],
    ]);
    expect(position()).toBeUndefined();
    expect(await readAll(read())).toEqual([
      ['p1', 'p2'],
      ['p3', 'p4'],
    ]);
  });

  it('does not commit by itself, however long it takes', async () => {
    here.produce('p', ...keys('p', 4));
    await readAll(read(), () => new Promise((resolve) => here.instance.clock.after(5000, resolve)));
    expect(position()).toBeUndefined();
  });

  it('does not commit when a partition is given up', async () => {
    here.produce('p', ...keys('p', 2));
    here.produce('q', ...keys('q', 2));
    const group = here.system.stream('in').group('memory');
    const loop = readAll(read({ bounded: false, partitions: 'assigned', position: 'source' }), async (batch) => {
      if (batch.partition !== 'q') return;
      group.assignment.assign('p', null);
      await new Promise<void>((resolve) => here.instance.clock.after(5000, resolve));
    });
    loop.catch(() => undefined);
    await here.system.clock.run(() => group.assignment.holder('p') === undefined);
    expect(group.progress('p').committed).toBeUndefined();
    here.instance.crash();
  });

  it('does not stall when far more than the budget is read without a commit', async () => {
    const many = 60_000;
    here.system.stream('in').produce(
      'p',
      Array.from({ length: many }, (_, index) => ({ key: `${index}` })),
    );
    const all = await readAll(read({ batchMessages: 10_000 }));
    expect(all.reduce((sum, batch) => sum + batch.length, 0)).toBe(many);
  });

  it('closes everything when the loop is broken off', async () => {
    here.produce('p', ...keys('p', 10));
    await until(
      (async () => {
        for await (const batch of read({ bounded: false })) {
          await batch.commit();
          break;
        }
      })(),
    );
    expect(here.callsOf('source.close')).toHaveLength(1);
    expect(here.callsOf('store.release')).toHaveLength(1);
    expect(position()).toMatchObject({ next: 2 });
  });

  it('closes everything when the loop throws', async () => {
    here.produce('p', 'a');
    const loop = readAll(read({ bounded: false }), () => {
      throw new Error('mine');
    });
    await expect(loop).rejects.toThrow('mine');
    expect(here.callsOf('source.close')).toHaveLength(1);
  });

  it('ends when its signal is aborted, also while it waits', async () => {
    here.produce('p', 'a');
    const controller = new AbortController();
    const all = readAll(read({ bounded: false }, { signal: controller.signal }), () => {
      here.instance.clock.after(1000, () => controller.abort());
    });
    expect(await all).toEqual([['a']]);
    expect(here.callsOf('source.close')).toHaveLength(1);
  });

  it.each([
    ['not_connected', fail('not_connected')],
    ['timeout', fail('timeout')],
    ['timeout', hang()],
  ] as const)(
    'rejects a commit of which the source has not heard (%s), and its messages come again',
    async (code, fault) => {
      here.produce('p', ...keys('p', 4));
      here.system.faults.next('source.commit', fault);
      const codes: unknown[] = [];
      const all = await readAll(read({ position: 'source' }), (batch) =>
        batch.commit().catch((error: unknown) => {
          codes.push((error as ConnectorError).code);
        }),
      );
      expect(codes).toEqual([code]);
      expect(all.filter(([first]) => first === 'p1')).toHaveLength(2);
      expect(here.system.stream('in').group('memory').progress('p').committed).toBe(4);
    },
  );

  it('rejects a commit of a batch whose partition was lost meanwhile', async () => {
    here.produce('p', ...keys('p', 2));
    let codes: unknown;
    await readAll(read({ position: 'source', partitions: 'assigned', batchMessages: 1 }), async (batch) => {
      if (codes !== undefined) return batch.commit();
      here.system.stream('in').group('memory').lose('p');
      here.system.stream('in').end();
      await here.instance.clock.yield();
      codes = await batch.commit().catch((error: unknown) => (error as ConnectorError).code);
    });
    expect(codes).toBe('lease_lost');
    expect(here.system.stream('in').group('memory').progress('p').committed).toBe(2);
  });

  it('commits what is being handled when its signal is aborted', async () => {
    here.produce('p', ...keys('p', 4));
    const controller = new AbortController();
    const all = await readAll(read({}, { signal: controller.signal }), async (batch) => {
      controller.abort();
      await here.instance.clock.yield();
      await batch.commit();
    });
    expect(all).toEqual([['p1', 'p2']]);
    expect(position()).toMatchObject({ next: 2 });
  });

  it('commits the last batch of a bounded source, however long that is handled', async () => {
    here.produce('p', 'a');
    await readAll(read({ position: 'source' }), async (batch) => {
      await new Promise<void>((resolve) => here.instance.clock.after(60_000, resolve));
      await batch.commit();
    });
    expect(here.system.stream('in').group('memory').progress('p').committed).toBe(1);
  });

  it('opens a lost connection again', async () => {
    here.produce('p', ...keys('p', 6));
    here.system.faults.next('source.read', undefined, fail('not_connected'));
    const all = await readAll(read(), (batch) => batch.commit());
    expect(new Set(all.flat())).toEqual(new Set(keys('p', 6)));
    expect(here.events).toEqual([]);
  });

  it('throws what stops it for good', async () => {
    here.produce('p', 'a');
    here.system.faults.next('source.open', fail('unauthenticated'));
    await expect(readAll(read())).rejects.toMatchObject({ code: 'unauthenticated', direction: 'source' });
  });

  it('throws for a message that cannot be decoded, after everything before it', async () => {
    here.produce('p', '1', '2', 'bad');
    const source = here.memory.source({ stream: 'in', bounded: true }, { codec: 'json' });
    const seen: string[] = [];
    const loop = readAll(source.read({ clock: here.instance.clock }), (batch) => {
      seen.push(...keysOf(batch));
    });
    await expect(loop).rejects.toMatchObject({ code: 'message_invalid' });
    expect(seen).toEqual(['1', '2']);
  });

  it('tells events to who asks for them', async () => {
    here.produce('p', 'a');
    const told: string[] = [];
    here.system.faults.next('source.read', fail('not_connected'));
    await readAll(read({}, { onEvent: ({ type }) => told.push(type) }));
    expect(told).toEqual(['started', 'degraded', 'recovered', 'stopped']);
  });

  it('waits for a batch that is being handled and reads no further than the budget meanwhile', async () => {
    here.produce('p', ...keys('p', 4));
    here.system.faults.next('source.read', undefined, undefined, hang());
    const iterator = read({ bounded: false })[Symbol.asyncIterator]();
    const nextKeys = async (): Promise<string[]> => {
      const result = await until(iterator.next());
      return result.done === true ? [] : keysOf(result.value);
    };
    expect(await nextKeys()).toEqual(['p1', 'p2']);
    await here.system.clock.advance(100_000);
    expect(await nextKeys()).toEqual(['p3', 'p4']);
    await until(iterator.return?.() ?? Promise.reject(new Error('it cannot be ended')));
  });
});
