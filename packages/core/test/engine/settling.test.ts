import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  crash,
  crashAfterEffect,
  fail,
  hang,
  keyText,
  type SettlingRule,
  watchSettling,
} from '../../src/testing/index.js';
import { filter, flatMap } from '../../src/transform.js';
import { expectNoViolations, keys, sinkKinds, type World, type WorldDefinition, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(() => expectNoViolations(here));

type Owner = NonNullable<SettlingRule['owner']>;

/** Watches the commits and the checkpoint of whoever keeps the position. */
function watch(owner: Owner): void {
  watchSettling(here.system, {
    stream: 'in',
    owner,
    identify: keyText,
    settled: (message, stored) =>
      stored('out', keyText(message)) || stored('dead', keyText(message)) || keyText(message).startsWith('filtered'),
  });
}

const ownerWith = (sink: object): Owner => ('atomic' in sink ? { destination: 'out' } : 'store');

/** What became durable or was told, in that order. */
function steps(): string[] {
  const names: string[] = [];
  here.system.events.listen((event) => {
    if (event.type === 'stored') names.push(`stored in ${event.destination}`);
    if (event.type === 'checkpoint' || event.type === 'commit') names.push(event.type);
  });
  return names;
}

describe('settling', () => {
  it.each(sinkKinds)('is storing, then the checkpoint, then the commit, with %s', async (_name, sink) => {
    watch(ownerWith(sink));
    const order = steps();
    here.produce('p', 'a', 'b');
    await here.run({ sink });
    expect(order).toEqual(['stored in out', 'checkpoint', 'commit']);
  });

  it('is storing, then the commit, where the source keeps the position', async () => {
    watch('nobody');
    const order = steps();
    here.produce('p', 'a', 'b');
    await here.run({ source: { position: 'source' } });
    expect(order).toEqual(['stored in out', 'commit']);
  });

  it('does not commit what the checkpoint store has not', async () => {
    watch('store');
    const order = steps();
    here.produce('p', 'a', 'b');
    here.system.faults.next('store.save', fail('conflict'), fail('conflict'));
    await here.run();
    expect(order).toEqual(['stored in out', 'checkpoint', 'commit']);
  });

  it('comes at the checkpoint interval', async () => {
    watch('store');
    here.produce('p', 'a');
    const run = here.start({ source: { bounded: false } });
    await here.system.clock.advance(500);
    here.produce('p', 'b');
    await here.system.clock.advance(499);
    expect(here.callsOf('store.save')).toHaveLength(0);
    await here.system.clock.advance(1);
    expect(here.callsOf('store.save')).toHaveLength(1);
    expect(here.system.savedCheckpoint('copy')).toMatchObject({ 'source:p': { position: { next: 2 } } });
    await run.stop();
  });

  it('comes at once for a source with a window, and only commits what is one prefix', async () => {
    watch('nobody');
    here.produce('p', ...keys('p', 6));
    const run = here.start({
      source: { bounded: false, position: 'source', window: 4, batchMessages: 2 },
      sink: { overlap: 'ordered', preferred: { maxMessages: 2 } },
    });
    await here.system.clock.advance(0);
    expect(here.system.stream('in').group('copy').progress('p').committed).toBe(6);
    await run.stop();
  });

  it('saves what the store has refused without waiting for a sink that hangs', async () => {
    here.produce('p', 'a');
    here.system.faults.next('store.save', fail('conflict'));
    here.system.faults.next('sink.write', undefined, hang());
    const run = here.start({ source: { bounded: false }, sink: { flush: true } });
    await here.system.clock.advance(1500);
    here.produce('p', 'b');
    await here.system.clock.advance(1000);
    expect(here.callsOf('store.save')).toHaveLength(2);
    expect(here.system.savedCheckpoint('copy')).toMatchObject({ 'source:p': { position: { next: 1 } } });
    await run.stop();
  });

  it('never goes back to what an older lease of the partition has settled, which the store had refused', async () => {
    watch('store');
    here.produce('p', 'a', 'b');
    here.system.faults.next('store.save', fail('conflict'), fail('conflict', 500));
    here.system.faults.next('source.read', undefined, fail('not_connected'));
    const run = here.start({ source: { bounded: false, batchMessages: 1 } });
    await here.system.clock.run(() => here.callsOf('store.save').length === 2);
    here.produce('p', 'c');
    await here.system.clock.run(() => here.system.stream('in').group('copy').commits.length > 0);
    expect(here.system.savedCheckpoint('copy')).toMatchObject({ 'source:p': { position: { next: 3 } } });
    await run.stop();
    expect(here.stored()).toEqual(['a', 'b', 'c']);
  });

  it('moves the position past filtered messages, also where nothing is left', async () => {
    watch('store');
    here.produce('p', ...keys('filtered', 5));
    const stats = await here.run({ transforms: [filter(() => false)] });
    expect(stats).toMatchObject({ received: 5, filtered: 5, written: 0, unsettled: 0 });
    expect(here.system.savedCheckpoint('copy')).toMatchObject({ 'source:p': { position: { next: 5 } } });
  });

  it.each([{ atomic: true }, { flush: true }])(
    'moves the position past filtered messages in a sink with %o',
    async (sink) => {
      watch(ownerWith(sink));
      here.produce('p', ...keys('filtered', 5));
      await here.run({ transforms: [flatMap(() => [])], sink });
      const checkpoint =
        'atomic' in sink ? here.system.destination('out').checkpoint('copy') : here.system.savedCheckpoint('copy');
      expect(checkpoint).toMatchObject({ 'source:p': { position: { next: 5 } } });
    },
  );

  it('moves the position past marks of the outside system that are no messages', async () => {
    watch('store');
    here.produceMessages('p', { key: 'a' }, { control: true }, { control: true });
    await here.run({ source: { batchMessages: 1 } });
    expect(here.system.savedCheckpoint('copy')).toMatchObject({ 'source:p': { position: { next: 3 } } });
    expect(here.stored()).toEqual(['a']);
  });

  it('counts nothing as filtered that was expanded', async () => {
    watch('store');
    here.produce('p', 'a', 'filtered', 'b');
    const twice = flatMap((message) => (keyText(message) === 'filtered' ? [] : [message, message]));
    expect(await here.run({ transforms: [twice] })).toMatchObject({ received: 3, filtered: 1, written: 4 });
  });

  it('reads a batch without places again as a whole when its sink stops in the middle', async () => {
    watch('store');
    here.produce('p', ...keys('p', 4));
    here.system.destination('out').refuses = (message) => (message.key === 'p3' ? 'message_invalid' : undefined);
    await expect(here.run({ source: { positionAt: false } })).rejects.toMatchObject({ code: 'message_invalid' });
    expect(here.system.savedCheckpoint('copy')).toEqual({});
    here.system.destination('out').refuses = () => undefined;
    await here.run({ source: { positionAt: false } });
    expect(here.stored()).toEqual(expect.arrayContaining(keys('p', 4)));
  });
});

describe('a crash', () => {
  const operations = ['sink.write', 'sink.flush', 'sink.claim', 'store.save', 'source.commit', 'source.read'] as const;
  const cases = operations.flatMap((name) => [
    [`before ${name}`, name, crash()] as const,
    [`after ${name}`, name, crashAfterEffect()] as const,
  ]);

  /** Runs until the end or the crash, and then again in another process. */
  async function runTwice(definition: WorldDefinition): Promise<void> {
    const run = here.start(definition);
    let over = false;
    run.done.then(
      () => {
        over = true;
      },
      () => undefined,
    );
    await here.system.clock.run(() => over || !here.instance.alive);
    here.system.faults.stop();
    await here.system.clock.settle(here.define(definition, here.system.instance('b')).run());
  }

  it.each(cases)('%s loses and doubles nothing where the sink is atomic', async (_when, name, fault) => {
    watch({ destination: 'out' });
    here.produce('p', ...keys('p', 10));
    here.system.faults.next(name, undefined, fault);
    await runTwice({
      source: { batchMessages: 3 },
      sink: { atomic: true, preferred: { maxMessages: 3 } },
      flush: { maxMessages: 3 },
    });
    expect(here.stored()).toEqual(keys('p', 10));
  });

  it.each(cases)('%s loses nothing where the checkpoint store keeps the position', async (_when, name, fault) => {
    watch('store');
    here.produce('p', ...keys('p', 10));
    here.system.faults.next(name, undefined, fault);
    await runTwice({
      source: { batchMessages: 3 },
      sink: { preferred: { maxMessages: 3 } },
      flush: { intervalMs: 1 },
    });
    expect([...new Set(here.stored())]).toEqual(keys('p', 10));
  });
});
