import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { delay, fail, hang, hangAfterEffect, hangIgnoringAbort } from '../../src/testing/index.js';
import { expectNoViolations, type World, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
  here.produce('p', 'a', 'b');
});
afterEach(() => expectNoViolations(here));

const opensOfSink = (): number => here.callsOf('sink.open').length;

describe('a write that takes too long', () => {
  it('is aborted after 30 s and tried again on the same connection when it heeds that', async () => {
    here.system.faults.next('sink.write', hang());
    const before = here.system.clock.now();
    await here.run();
    const [first, second] = here.callsOf('sink.write');
    expect((first?.endedAt ?? 0) - before).toBe(30_000);
    expect(second?.startedAt).toBeGreaterThanOrEqual(first?.endedAt ?? Infinity);
    expect(here.stored()).toEqual(['a', 'b']);
    expect(opensOfSink()).toBe(1);
  });

  it('is aborted after timeoutMs', async () => {
    here.system.faults.next('sink.write', hang());
    const before = here.system.clock.now();
    await here.run({ timeoutMs: 500 });
    expect(here.callsOf('sink.write')[0]?.endedAt).toBe(before + 500);
  });

  it('has the sink opened again before the next try when it ignores the abort', async () => {
    here.system.faults.next('sink.write', hangIgnoringAbort(60_000));
    await here.run({ timeoutMs: 500 });
    const order = here.calls.filter(({ target }) => target === 'out').map(({ name }) => name);
    expect(order).toEqual(['sink.open', 'sink.write', 'sink.close', 'sink.open', 'sink.write', 'sink.close']);
    expect(here.stored()).toEqual(['a', 'b']);
  });

  it('is not begun again while it may still take effect', async () => {
    here.system.faults.next('sink.write', hangIgnoringAbort(800));
    await here.run({ timeoutMs: 500 });
    const [first, second] = here.callsOf('sink.write');
    // It ended within the second that it is given, so it counts as what it says: a success.
    expect(first?.error).toBeUndefined();
    expect(second).toBeUndefined();
    expect(here.stored()).toEqual(['a', 'b']);
    expect(opensOfSink()).toBe(1);
  });

  it('is written twice when it had happened: at least once', async () => {
    here.system.faults.next('sink.write', hangAfterEffect());
    await here.run();
    expect(here.stored()).toEqual(['a', 'b', 'a', 'b']);
  });

  it('is told as a timeout that names how long was waited', async () => {
    here.system.faults.next('sink.write', hang());
    await here.run({ timeoutMs: 500 });
    const degraded = here.events.find(({ type }) => type === 'degraded');
    expect(degraded).toMatchObject({ part: 'sink', error: { code: 'timeout' } });
    expect(degraded?.type === 'degraded' && degraded.error.message).toBe(
      'memory sink could not write: no answer within 0.5 s',
    );
  });
});

describe('a connection that is lost', () => {
  it('has the sink closed and opened again before the next write', async () => {
    here.system.faults.next('sink.write', fail('not_connected'));
    here.system.faults.next('sink.open', undefined, fail('not_connected'), fail('not_connected'));
    await here.run();
    expect(opensOfSink()).toBe(4);
    expect(here.stored()).toEqual(['a', 'b']);
  });

  it('is opened again without limit once it had been open', async () => {
    here.system.faults.next('sink.write', fail('not_connected'));
    here.system.faults.next('sink.open', undefined, ...Array.from({ length: 30 }, () => fail('not_connected', 5000)));
    const before = here.system.clock.now();
    await here.run();
    expect(here.system.clock.now() - before).toBeGreaterThan(150_000);
    expect(here.stored()).toEqual(['a', 'b']);
  });
});

describe('a flush, commit or checkpoint that takes too long', () => {
  it('is a failed flush: all since the last one is written again', async () => {
    here.system.faults.next('sink.flush', hang());
    await here.run({ sink: { flush: true }, timeoutMs: 500 });
    expect(here.stored()).toEqual(['a', 'b']);
    expect(here.writes()).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });

  it('has the sink opened again when the flush ignores its abort', async () => {
    here.system.faults.next('sink.flush', hangIgnoringAbort(60_000));
    await here.run({ sink: { flush: true }, timeoutMs: 500 });
    expect(opensOfSink()).toBe(2);
    expect(here.stored()).toEqual(['a', 'b']);
  });

  it('holds up no flush as a checkpoint, which is saved when the store has answered, and not before', async () => {
    here.system.faults.next('store.save', delay(100_000));
    const run = here.start({ source: { bounded: false }, sink: { flush: true } });
    await here.system.clock.advance(2000);
    here.produce('p', 'c');
    await here.system.clock.advance(60_000);
    expect(here.stored()).toEqual(['a', 'b', 'c']);
    expect(here.events).toContainEqual(expect.objectContaining({ type: 'degraded', part: 'checkpoint' }));
    expect(here.callsOf('store.save')).toHaveLength(1);
    await here.system.clock.advance(60_000);
    expect(here.system.savedCheckpoint('copy')).toMatchObject({ 'source:p': { position: { next: 3 } } });
    await run.stop();
  });

  it('does not go on with a checkpoint after the run has ended', async () => {
    here.system.faults.decideBy(({ name }) => (name === 'store.save' ? fail('rate_limited') : undefined));
    const run = here.start({ source: { bounded: false } });
    await here.system.clock.advance(10);
    await expect(run.stop()).rejects.toMatchObject({ code: 'rate_limited' });
    const saves = here.callsOf('store.save').length;
    await here.system.clock.advance(60_000);
    expect(here.callsOf('store.save')).toHaveLength(saves);
  });

  it('has a hanging commit tried again after the source was opened again or answered', async () => {
    here.system.faults.next('source.commit', { waitMs: 2000 });
    await here.run({ source: { position: 'source' }, timeoutMs: 500 });
    expect(here.system.stream('in').group('copy').progress('p').committed).toBe(2);
  });
});
