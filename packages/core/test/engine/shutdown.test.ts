import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { delay, fail, hang, hangIgnoringAbort } from '../../src/testing/index.js';
import { filter, map } from '../../src/transform.js';
import { expectNoViolations, keys, sinkKinds, type World, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
  here.produce('p');
});
afterEach(() => expectNoViolations(here));

const now = (): number => here.system.clock.now();
const unbounded = { bounded: false } as const;

describe('shutdown', () => {
  it.each(sinkKinds)(
    'writes and settles what was read, reads no more, and closes everything, with %s',
    async (_name, sink) => {
      here.produce('p', ...keys('p', 10));
      here.system.faults.next('sink.write', delay(1000), delay(1000));
      const run = here.start({
        source: { ...unbounded, batchMessages: 5 },
        sink: { ...sink, preferred: { maxMessages: 5 } },
      });
      await here.system.clock.advance(10);
      run.abort();
      here.produce('p', 'late');
      expect(await here.system.clock.settle(run.done)).toMatchObject({
        received: 10,
        written: 10,
        unsettled: 0,
        inFlight: 0,
      });
      expect(here.stored()).toEqual(keys('p', 10));
      await here.run({ sink });
      expect(here.stored()).toEqual([...keys('p', 10), 'late']);
      for (const name of ['source.close', 'sink.close'] as const) expect(here.callsOf(name)).toHaveLength(2);
    },
  );

  it('ends back-off at once: one more try, and what fails is left for the next run', async () => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.decideBy(({ name }) => (name === 'sink.write' ? fail('rate_limited') : undefined));
    const run = here.start({ source: unbounded });
    await here.system.clock.advance(20_000);
    const stopped = now();
    const stats = await run.stop();
    expect(now() - stopped).toBeLessThan(100);
    expect(stats).toMatchObject({ unsettled: 3, written: 0 });
    here.system.faults.stop();
    await here.run();
    expect(here.stored()).toEqual(keys('p', 3));
  });

  it('ends the back-off of a source that cannot be opened again', async () => {
    here.produce('p', 'a');
    here.system.faults.next('source.open', undefined, ...Array.from({ length: 20 }, () => fail('not_connected')));
    here.system.faults.next('source.read', undefined, fail('not_connected'));
    const run = here.start({ source: unbounded });
    here.produce('p', 'b');
    await here.system.clock.advance(30_000);
    const stopped = now();
    await run.stop();
    expect(now()).toBe(stopped);
  });

  it('ends the back-off of a sink that is opened again', async () => {
    here.produce('p', 'a');
    here.system.faults.next('sink.write', fail('not_connected'));
    here.system.faults.next('sink.open', undefined, ...Array.from({ length: 20 }, () => fail('not_connected')));
    const run = here.start({ source: unbounded });
    await here.system.clock.advance(30_000);
    const stopped = now();
    expect(await run.stop()).toMatchObject({ unsettled: 1 });
    expect(now()).toBe(stopped);
  });

  it('is no failure while an atomic sink is opened again for its claim', async () => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next('sink.claim', fail('not_connected'));
    here.system.faults.next('sink.close', delay(1000));
    const run = here.start({ source: unbounded, sink: { atomic: true } });
    await here.system.clock.run(() => here.callsOf('sink.close').length === 1);
    expect(await run.stop()).toMatchObject({ received: 0, unsettled: 0 });
    await here.run({ sink: { atomic: true } });
    expect(here.stored()).toEqual(keys('p', 3));
  });

  it.each(sinkKinds)('takes 25 s at the most, and counts what is unsettled then, with %s', async (_name, sink) => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next('sink.write', hangIgnoringAbort(120_000));
    const run = here.start({ source: unbounded, sink, timeoutMs: 100_000 });
    await here.system.clock.advance(100);
    const stopped = now();
    const stats = await run.stop();
    expect(stats.unsettled).toBe(3);
    expect(now() - stopped).toBeGreaterThanOrEqual(25_000);
    expect(now() - stopped).toBeLessThan(30_000);
  });

  it.each([
    ['hangs', hangIgnoringAbort(120_000), { flush: true }],
    ['hangs', hangIgnoringAbort(120_000), { atomic: true }],
    ['fails', fail('conflict'), { flush: true }],
    ['fails', fail('conflict'), { atomic: true }],
  ] as const)('counts as unsettled what was taken over when the flush %s', async (_what, fault, sink) => {
    here.produce('p', ...keys('p', 20));
    here.system.faults.next('sink.flush', fault);
    const source = { ...unbounded, batchMessages: 2 };
    const run = here.start({ source, sink, budget: { maxMessages: 4 }, timeoutMs: 100_000 });
    await here.system.clock.advance(100);
    expect(run.pipeline.stats()).toMatchObject({ written: 20, inFlight: 20 });
    expect(await run.stop()).toMatchObject({ written: 20, unsettled: 20 });
  });

  it.each([
    ['a save', 'store.save', {}],
    ['a flush', 'sink.flush', { flush: true }],
    ['a flush that stores the position', 'sink.flush', { atomic: true }],
  ] as const)('settles what was finished during %s, too', async (_name, operation, sink) => {
    here.produce('p', 'a');
    here.system.faults.next(operation, delay(500));
    const run = here.start({ source: unbounded, sink, transforms: [filter(({ key }) => key === 'a')] });
    await here.system.clock.advance(1100);
    expect(here.callsOf(operation)).toMatchObject([{ endedAt: undefined }]);
    here.produce('p', 'filtered');
    await here.system.clock.advance(100);
    expect(here.callsOf(operation)).toMatchObject([{ endedAt: undefined }]);
    expect(await run.stop()).toMatchObject({ received: 2, filtered: 1, inFlight: 0, unsettled: 0 });
    expect(here.callsOf(operation)).toHaveLength(operation === 'sink.flush' && 'flush' in sink ? 1 : 2);
    const checkpoint =
      'atomic' in sink ? here.system.destination('out').checkpoint('copy') : here.system.savedCheckpoint('copy');
    expect(checkpoint).toMatchObject({ 'source:p': { position: { next: 2 } } });
  });

  it('is over before a container is killed, also when nothing closes', async () => {
    here.produce('p', 'a');
    here.system.faults.decideBy(({ name }) =>
      name === 'sink.write' || name.endsWith('.close') || name === 'store.release'
        ? hangIgnoringAbort(120_000)
        : undefined,
    );
    const run = here.start({ source: unbounded, timeoutMs: 100_000 });
    await here.system.clock.advance(100);
    const stopped = now();
    expect(await run.stop()).toMatchObject({ unsettled: 1 });
    expect(now() - stopped).toBeLessThan(30_000);
  });

  it('fails with the name of the checkpoint store when that does not answer a save', async () => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next('store.save', hang());
    const run = here.start({ source: unbounded });
    await here.system.clock.advance(10);
    const stopped = now();
    await expect(run.stop()).rejects.toMatchObject({
      code: 'timeout',
      message: expect.stringMatching(/^the checkpoint store \(.+\) gave no answer before the run ended; check /),
    });
    expect(now() - stopped).toBeLessThan(30_000);
    expect(here.events.at(-1)).toMatchObject({ type: 'stopped', summary: { written: 3, unsettled: 3 } });
  });

  it('waits no longer for a checkpoint store that does not let go', async () => {
    here.produce('p', 'a');
    here.system.faults.next('store.release', hang());
    const started = now();
    expect(await here.run()).toMatchObject({ written: 1, unsettled: 0 });
    expect(now() - started).toBeLessThan(6000);
  });

  it('takes as long as the definition allows', async () => {
    here.produce('p', 'a');
    here.system.faults.next('sink.write', hang());
    const run = here.start({ source: unbounded, shutdownTimeoutMs: 2000 });
    await here.system.clock.advance(100);
    const stopped = now();
    expect(await run.stop()).toMatchObject({ unsettled: 1 });
    expect(now() - stopped).toBeLessThan(4000);
  });

  it.each(sinkKinds)('leaves what a failed flush or write loses for the next run, with %s', async (_name, sink) => {
    here.produce('p', ...keys('p', 4));
    here.system.faults.next('sink.write', delay(100), fail('conflict', 100));
    here.system.faults.next('sink.flush', fail('conflict'), fail('conflict'));
    const run = here.start({
      source: { ...unbounded, batchMessages: 2 },
      sink: { ...sink, preferred: { maxMessages: 2 } },
    });
    await here.system.clock.advance(150);
    const stats = await run.stop();
    expect(stats.unsettled).toBeGreaterThan(0);
    here.system.faults.stop();
    await here.run({ sink });
    const stored = here.stored();
    if ('atomic' in sink) expect(stored).toEqual(keys('p', 4));
    else expect([...new Set(stored)]).toEqual(keys('p', 4));
  });

  it('counts as unsettled what the source could not be told at the very end', async () => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.decideBy(({ name }) => (name === 'source.commit' ? fail('not_connected') : undefined));
    const run = here.start({ source: { ...unbounded, position: 'source' }, flush: { intervalMs: 60_000 } });
    await here.system.clock.advance(10);
    expect(await run.stop()).toMatchObject({ written: 3, unsettled: 3 });
    here.system.faults.stop();
    expect(await here.run({ source: { position: 'source' } })).toMatchObject({ received: 3, unsettled: 0 });
  });

  it('counts as unsettled no more and no less than that when commits had followed one another', async () => {
    here.system.faults.decideBy(({ name }) => (name === 'source.commit' ? delay(100) : undefined));
    const run = here.start({ source: { ...unbounded, position: 'source', window: 10 } });
    for (const key of keys('p', 3)) {
      here.produce('p', key);
      await here.system.clock.advance(20);
    }
    await here.system.clock.advance(1000);
    here.system.faults.next('sink.write', hang());
    here.produce('p', 'p4');
    await here.system.clock.advance(10);
    expect(await run.stop()).toMatchObject({ received: 4, unsettled: 1 });
  });

  it('counts nothing as unsettled because a source was not told that keeps no position', async () => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.decideBy(({ name }) => (name === 'source.commit' ? fail('not_connected') : undefined));
    const run = here.start({ source: unbounded, flush: { intervalMs: 60_000 } });
    await here.system.clock.advance(10);
    expect(await run.stop()).toMatchObject({ written: 3, unsettled: 0 });
  });

  it('waits for asynchronous transforms', async () => {
    here.produce('p', ...keys('p', 3));
    const slow = map(async (message) => {
      await new Promise<void>((resolve) => here.instance.clock.after(1000, resolve));
      return message;
    });
    const run = here.start({ source: unbounded, transforms: [slow] });
    await here.system.clock.advance(500);
    expect(await run.stop()).toMatchObject({ written: 3, unsettled: 0 });
  });

  it('does not tell a failure', async () => {
    const run = here.start({ source: unbounded });
    await here.system.clock.advance(10);
    await run.stop();
    expect(here.events.at(-1)).toMatchObject({ type: 'stopped', error: undefined, summary: { unsettled: 0 } });
  });

  it('lets another run begin after it', async () => {
    here.produce('p', 'a');
    const made = here.define();
    await here.system.clock.settle(made.run());
    here.produce('p', 'b');
    const again = made.run();
    await expect(made.run()).rejects.toMatchObject({ code: 'unsupported', message: 'pipeline "copy" runs already' });
    await here.system.clock.settle(again);
    expect(here.stored()).toEqual(['a', 'b']);
    expect(made.stats().received).toBe(1);
  });

  it('comes before a fatal failure is told, and everything is closed then', async () => {
    here.produce('p', 'a');
    here.system.faults.next('sink.write', fail('permission_denied'));
    await expect(here.run()).rejects.toMatchObject({ code: 'permission_denied' });
    expect(here.callsOf('source.close')).toHaveLength(1);
    expect(here.callsOf('sink.close')).toHaveLength(1);
    expect(here.callsOf('store.release')).toHaveLength(1);
    expect(here.events.at(-1)).toMatchObject({ type: 'stopped', error: { code: 'permission_denied' } });
  });

  it('does not hang on a driver that does not close', async () => {
    here.produce('p', 'a');
    here.system.faults.next('source.close', hang());
    here.system.faults.next('sink.close', hang());
    const started = now();
    await here.run();
    expect(now() - started).toBeLessThan(15_000);
    expect(here.stored()).toEqual(['a']);
  });
});
