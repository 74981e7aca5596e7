import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { delay, fail, failAfterEffect, hang, type OperationName } from '../../src/testing/index.js';
import { expectNoViolations, keys, type World, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(() => expectNoViolations(here));

const unbounded = { bounded: false } as const;
const flushing = [
  ['a sink with flush', { flush: true }],
  ['an atomic sink', { atomic: true }],
] as const;

/** From the next operation of this name on, all of another name hang. */
function hangAfter(first: OperationName, name: OperationName): void {
  let begun = false;
  here.system.faults.decideBy((operation) => {
    if (operation.name === first) begun = true;
    return begun && operation.name === name ? hang() : undefined;
  });
}

describe('what was received, is not settled and comes again', () => {
  it.each(flushing)('is unsettled before it is read again after a failed flush, with %s', async (_name, sink) => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next('sink.flush', fail('conflict'));
    const run = here.start({ source: unbounded, sink });
    await here.system.clock.run(() => here.callsOf('sink.flush').length === 1);
    here.system.faults.decideBy(({ name }) => (name === 'source.read' ? hang() : undefined));
    await here.system.clock.advance(5000);
    expect(await run.stop()).toMatchObject({ received: 3, unsettled: 3 });
    here.system.faults.stop();
    expect(await here.run({ sink })).toMatchObject({ received: 3, unsettled: 0 });
  });

  it('is unsettled as far as it is not read again', async () => {
    here.produce('p', ...keys('p', 6));
    here.system.faults.next('sink.flush', fail('conflict'));
    const run = here.start({ source: { ...unbounded, batchMessages: 2 }, sink: { flush: true } });
    await here.system.clock.run(() => here.callsOf('sink.flush').length === 1);
    here.system.faults.next('source.read', undefined);
    here.system.faults.decideBy(({ name }) => (name === 'source.read' ? hang() : undefined));
    await here.system.clock.advance(5000);
    expect(await run.stop()).toMatchObject({ received: 8, unsettled: 4 });
  });

  it('is unsettled while a source that has lost its connection is not open again', async () => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next('source.read', undefined, undefined, fail('not_connected'));
    here.system.faults.next('sink.write', delay(100));
    hangAfter('source.close', 'source.open');
    const run = here.start({ source: { ...unbounded, batchMessages: 1 }, sink: { preferred: { maxMessages: 1 } } });
    await here.system.clock.run(() => here.callsOf('source.open').length === 2);
    expect(await run.stop()).toMatchObject({ received: 2, written: 1, unsettled: 1 });
    here.system.faults.stop();
    expect(await here.run()).toMatchObject({ received: 2, unsettled: 0 });
  });

  it('is unsettled while a source that keeps its position has not heard of it and is not open again', async () => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next('source.commit', fail('not_connected'));
    hangAfter('source.close', 'source.open');
    const source = { ...unbounded, position: 'source' } as const;
    const run = here.start({ source });
    await here.system.clock.run(() => here.callsOf('source.open').length === 2);
    expect(await run.stop()).toMatchObject({ received: 3, written: 3, unsettled: 3 });
    here.system.faults.stop();
    expect(await here.run({ source: { position: 'source' } })).toMatchObject({ received: 3, unsettled: 0 });
  });

  it.each(flushing)('is settled when it was read again and flushed, with %s', async (_name, sink) => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next('sink.flush', fail('conflict'));
    const run = here.start({ source: unbounded, sink });
    await here.system.clock.advance(10_000);
    expect(await run.stop()).toMatchObject({ received: 6, unsettled: 0 });
  });

  it('is settled when the flush that failed turns out to have taken effect', async () => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next('sink.flush', failAfterEffect('conflict'));
    const run = here.start({ source: unbounded, sink: { atomic: true } });
    await here.system.clock.advance(10_000);
    expect(await run.stop()).toMatchObject({ received: 3, unsettled: 0 });
    expect(here.stored()).toEqual(keys('p', 3));
  });

  it('is settled when its partition was read to the end, though the outside system has forgotten some of it', async () => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next('sink.flush', fail('conflict'));
    const run = here.start({ sink: { flush: true } });
    await here.system.clock.run(() => here.callsOf('sink.flush').length === 1);
    here.system.stream('in').discard('p', 2);
    expect(await here.system.clock.settle(run.done)).toMatchObject({ received: 4, unsettled: 0 });
  });

  it('is no more a matter of this run when another one was given the partition', async () => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next('sink.write', hang());
    const run = here.start({ source: { ...unbounded, position: 'source', partitions: 'assigned' } });
    await here.system.clock.run(() => here.callsOf('sink.write').length === 1);
    here.system.stream('in').group('copy').lose('p', null);
    await here.system.clock.advance(60_000);
    expect(await run.stop()).toMatchObject({ unsettled: 0 });
  });

  it('is no more a matter of this run when its position was lost and it goes on at the latest one', async () => {
    here.produce('p', ...keys('p', 3));
    here.system.faults.next('sink.write', delay(1000));
    here.system.faults.next('source.read', undefined, fail('position_lost'));
    const run = here.start({ source: { ...unbounded, batchMessages: 1 }, onPositionLost: 'latest' });
    await here.system.clock.advance(10_000);
    expect(here.events).toContainEqual(expect.objectContaining({ type: 'notice' }));
    expect(await run.stop()).toMatchObject({ received: 1, unsettled: 0 });
  });
});
