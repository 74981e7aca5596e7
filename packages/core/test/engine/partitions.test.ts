import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fail, keyText } from '../../src/testing/index.js';
import { expectNoViolations, keys, type World, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
  vi.spyOn(Math, 'random').mockReturnValue(1); // the longest back-off
});
afterEach(() => {
  vi.restoreAllMocks();
  expectNoViolations(here);
});

const committed = (partition: string): number | undefined =>
  here.system.stream('in').group('copy').progress(partition).committed;

describe('partitions', () => {
  it.each(['none', 'partitions', 'ordered'] as const)(
    'go on while another one is in back-off, with overlap %s and one slot',
    async (overlap) => {
      here.produce('p', ...keys('p', 3));
      here.produce('q', ...keys('q', 3));
      here.system.faults.decideBy(({ name, messages }) =>
        name === 'sink.write' && messages.some((message) => keyText(message).startsWith('p'))
          ? fail('rate_limited')
          : undefined,
      );
      const run = here.start({
        source: { batchMessages: 1, bounded: false, position: 'source' },
        sink: { overlap, preferred: { maxMessages: 1, maxInFlight: 1 } },
      });
      await here.system.clock.run(() => committed('q') === 3);
      expect(here.stored()).toEqual(keys('q', 3));
      expect(committed('p')).toBeUndefined();
      here.system.faults.stop();
      await here.system.clock.run(() => committed('p') === 3);
      await run.stop();
      expect(here.stored()).toEqual([...keys('q', 3), ...keys('p', 3)]);
    },
  );

  it('move their own positions in one checkpoint', async () => {
    here.produce('p', ...keys('p', 3));
    here.produce('q', ...keys('q', 5));
    await here.run();
    const checkpoint = here.system.savedCheckpoint('copy');
    expect(checkpoint).toMatchObject({
      'source:p': { connector: 'memory', version: 1, identity: 'memory:in', position: { next: 3 } },
      'source:q': { position: { next: 5 } },
    });
  });

  it('are read at the same time', async () => {
    here.produce('p', ...keys('p', 2));
    here.produce('q', ...keys('q', 2));
    here.system.faults.decideBy(({ name }) => (name === 'source.read' ? { waitMs: 100 } : undefined));
    const before = here.system.clock.now();
    await here.run({ source: { batchMessages: 1 } });
    expect(here.system.clock.now() - before).toBeLessThan(2 * 2 * 100);
  });

  it('that share a write are told apart by its slices', async () => {
    here.produce('p', ...keys('p', 2));
    here.produce('q', ...keys('q', 2));
    await here.run({ batch: { maxAgeMs: 10 } });
    expect(here.writes()).toEqual([['p1', 'p2', 'q1', 'q2']]);
    const stored = here.system.destination('out').stored.map(({ partition }) => partition);
    expect(stored).toEqual(['source:p', 'source:p', 'source:q', 'source:q']);
  });
});
