import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ErrorCode } from '../../src/error.js';
import { type Fault, fail } from '../../src/testing/index.js';
import { expectNoViolations, keys, type World, world } from './world.js';

let here: World;
let random: { mockReturnValue(value: number): void };
beforeEach(() => {
  here = world();
  random = vi.spyOn(Math, 'random').mockReturnValue(1);
  here.produce('p', 'a');
});
afterEach(() => {
  vi.restoreAllMocks();
  expectNoViolations(here);
});

const times = (count: number, fault: Fault): Fault[] => Array.from({ length: count }, () => fault);

/** Milliseconds between the ends and the next beginnings of writes. */
function waits(): number[] {
  const writes = here.callsOf('sink.write');
  return writes.slice(1).map(({ startedAt }, index) => Math.round(startedAt - (writes[index]?.endedAt ?? 0)));
}

describe('back-off', () => {
  it('doubles from 0.1 s to 30 s', async () => {
    here.system.faults.next('sink.write', ...times(11, fail('rate_limited')));
    await here.run();
    expect(waits()).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
  });

  it('has full jitter: any shorter wait may come', async () => {
    random.mockReturnValue(0);
    here.system.faults.next('sink.write', ...times(5, fail('rate_limited')));
    await here.run();
    expect(waits()).toEqual([0, 0, 0, 0, 0]);
  });

  it('is what the definition says', async () => {
    here.system.faults.next('sink.write', ...times(4, fail('rate_limited')));
    await here.run({ retry: { initialDelayMs: 10, maxDelayMs: 25 } });
    expect(waits()).toEqual([10, 20, 25, 25]);
  });

  it('starts over after a success', async () => {
    here.produce('p', 'b');
    here.system.faults.next('sink.write', ...times(3, fail('conflict')), undefined, ...times(2, fail('conflict')));
    await here.run({ source: { batchMessages: 1 }, sink: { preferred: { maxMessages: 1 } } });
    expect(waits()).toEqual([100, 200, 400, 0, 100, 200]);
    expect(here.stored()).toEqual(['a', 'b']);
  });
});

describe('what is tried again', () => {
  it.each<ErrorCode>(['not_connected', 'timeout', 'rate_limited'])(
    'is a write that failed with %s, for ever',
    async (code) => {
      here.system.faults.next('sink.write', ...times(40, fail(code)));
      await here.run();
      expect(here.stored()).toEqual(['a']);
      expect(here.writes()).toHaveLength(41);
    },
  );

  it.each<ErrorCode>(['resource_exhausted', 'conflict', 'unknown', 'lease_lost'])(
    'is a write that failed with %s, ten times, and then it is fatal',
    async (code) => {
      here.system.faults.next('sink.write', ...times(9, fail(code)));
      await here.run();
      expect(here.stored()).toEqual(['a']);

      here.produce('p', 'b');
      here.system.faults.decideBy(({ name }) => (name === 'sink.write' ? fail(code) : undefined));
      await expect(here.run()).rejects.toMatchObject({
        code,
        message: expect.stringContaining('gave up after 10 attempts'),
      });
      expect(here.stored()).toEqual(['a']);
      expect(here.system.savedCheckpoint('copy')).toMatchObject({ 'source:p': { position: { next: 1 } } });
    },
  );

  it.each<ErrorCode>([
    'unauthenticated',
    'permission_denied',
    'not_found',
    'unsupported',
    'closed',
    'internal',
    'config_invalid',
  ])('is not a write that failed with %s', async (code) => {
    here.system.faults.next('sink.write', fail(code));
    await expect(here.run()).rejects.toMatchObject({ code, connector: 'memory', operation: 'write' });
    expect(here.writes()).toHaveLength(1);
    here.system.faults.stop();
    await here.run();
    expect(here.stored()).toEqual(['a']);
  });

  it('is as often as the definition says', async () => {
    here.system.faults.decideBy(({ name }) => (name === 'sink.write' ? fail('unknown') : undefined));
    await expect(here.run({ retry: { maxAttempts: 3 } })).rejects.toMatchObject({ code: 'unknown' });
    expect(here.writes()).toHaveLength(3);
  });

  it('is counted in the numbers and told as degraded and recovered', async () => {
    here.produce('p', ...keys('b', 2));
    here.system.faults.next('sink.write', fail('conflict'), fail('conflict'));
    const stats = await here.run();
    expect(stats).toMatchObject({ received: 3, written: 3, failed: 6, retried: 6 });
    const told = here.events.map((event) =>
      event.type === 'degraded' ? `degraded ${event.part} ${event.attempt}` : event.type,
    );
    expect(told).toEqual(['started', 'degraded sink 1', 'degraded sink 2', 'recovered', 'stopped']);
  });

  it.each<ErrorCode>(['conflict', 'not_connected', 'timeout'])(
    'is a checkpoint that could not be saved because of %s',
    async (code) => {
      here.system.faults.next('store.save', fail(code), fail(code));
      await here.run();
      expect(here.system.savedCheckpoint('copy')).toMatchObject({ 'source:p': { position: { next: 1 } } });
      expect(here.stored()).toEqual(['a']);
    },
  );

  it('is a commit that the source could not take', async () => {
    here.system.faults.next('source.commit', fail('conflict'), fail('rate_limited'));
    await here.run({ source: { position: 'source' } });
    expect(here.system.stream('in').group('copy').progress('p').committed).toBe(1);
    expect(here.stored()).toEqual(['a']);
  });

  it.each<ErrorCode>(['conflict', 'not_connected', 'unknown'])('is a read that failed with %s', async (code) => {
    here.system.faults.next('source.read', fail(code), fail(code));
    await here.run();
    expect(here.stored()).toEqual(['a']);
    expect(here.callsOf('source.open')).toHaveLength(3);
  });
});
