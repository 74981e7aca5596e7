import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fail, hang, hangIgnoringAbort } from '../../src/testing/index.js';
import { expectNoViolations, type World, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
  here.produce('p');
});
afterEach(() => expectNoViolations(here));

const now = (): number => here.system.clock.now();
const unbounded = { bounded: false } as const;

describe('an abort before everything is open', () => {
  it('opens nothing when it was there already', async () => {
    here.produce('p', 'a');
    const controller = new AbortController();
    controller.abort();
    const stats = await here.system.clock.settle(here.define().run({ signal: controller.signal }));
    expect(stats).toMatchObject({ received: 0, unsettled: 0 });
    expect(here.callsOf('source.read')).toEqual([]);
  });

  it.each(['sink.open', 'source.open', 'sink.claim', 'source.partitions'] as const)(
    'ends a run at %s',
    async (name) => {
      here.produce('p', 'a');
      here.system.faults.next(name, hang());
      const run = here.start({ source: unbounded, sink: { atomic: true } });
      await here.system.clock.advance(1000);
      const stopped = now();
      const stats = await run.stop();
      expect(stats).toMatchObject({ received: 0, unsettled: 0 });
      expect(now() - stopped).toBeLessThan(26_000);
    },
  );
});

describe('the first open', () => {
  it.each(['sink.open', 'source.open'] as const)('may take 30 s with retries, and then is fatal: %s', async (name) => {
    here.produce('p', 'a');
    here.system.faults.decideBy((operation) => (operation.name === name ? fail('not_connected') : undefined));
    const started = now();
    await expect(here.run()).rejects.toMatchObject({
      code: 'not_connected',
      operation: 'open',
      message: expect.stringMatching(/gave up after \d+/),
    });
    expect(now() - started).toBeLessThanOrEqual(30_000);
    expect(here.callsOf(name).length).toBeGreaterThan(4);
  });

  it.each(['sink.open', 'source.open'] as const)('may hang for openTimeoutMs: %s', async (name) => {
    here.produce('p', 'a');
    here.system.faults.next(name, hang());
    const started = now();
    await expect(here.run({ openTimeoutMs: 2000 })).rejects.toMatchObject({ code: 'timeout' });
    expect(now() - started).toBeLessThan(4000);
  });

  it('names the checkpoint store when it hangs there', async () => {
    here.system.faults.next('store.claim', hang());
    await expect(here.run({ openTimeoutMs: 2000 })).rejects.toMatchObject({
      code: 'timeout',
      message: expect.stringMatching(/could not claim the checkpoint in .+: no answer within 2\.0 s/),
    });
  });

  it.each(['sink.open', 'source.open'] as const)('is not tried again when it fails for good: %s', async (name) => {
    here.system.faults.next(name, fail('unauthenticated'));
    await expect(here.run()).rejects.toMatchObject({ code: 'unauthenticated', operation: 'open' });
    expect(here.callsOf(name)).toHaveLength(1);
  });

  it.each(['sink.open', 'source.open'] as const)('is tried again while it may pass: %s', async (name) => {
    here.produce('p', 'a');
    here.system.faults.next(name, fail('not_connected'), fail('timeout'), fail('unknown'));
    await here.run();
    expect(here.stored()).toEqual(['a']);
    expect(here.events.filter(({ type }) => type === 'degraded')).toHaveLength(3);
  });

  it('that comes after it was given up is closed', async () => {
    here.produce('p', 'a');
    here.system.faults.next('sink.open', hangIgnoringAbort(500));
    await expect(here.run({ openTimeoutMs: 1000 })).rejects.toMatchObject({ code: 'timeout' });
    await here.system.clock.advance(1000);
    expect(here.callsOf('sink.close')).toHaveLength(1);
  });
});
