import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { delay, endRead, fail, type MemoryGroup } from '../../src/testing/index.js';
import { map } from '../../src/transform.js';
import { expectNoViolations, keys, sinkKinds, type World, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(() => expectNoViolations(here));

const group = (): MemoryGroup => here.system.stream('in').group('copy');
const committed = (partition: string): number | undefined => group().progress(partition).committed;

describe('a source that loses its connection', () => {
  it('is closed and opened again, and goes on where the checkpoint stands', async () => {
    here.produce('p', ...keys('p', 9));
    here.system.faults.next('source.read', undefined, undefined, fail('not_connected'));
    await here.run({ source: { batchMessages: 3 } });
    const calls = here.calls.map(({ name }) => name).filter((name) => /source\.(open|close)/.test(name));
    expect(calls).toEqual(['source.open', 'source.close', 'source.open', 'source.close']);
    expect([...new Set(here.stored())]).toEqual(keys('p', 9));
  });

  it.each(sinkKinds)('doubles nothing that was durable by then, with %s', async (_name, sink) => {
    here.produce('p', ...keys('p', 9));
    here.system.faults.next('source.read', undefined, undefined, fail('not_connected', 3000));
    await here.run({ source: { batchMessages: 3 }, sink });
    expect(here.stored()).toEqual(keys('p', 9));
  });

  it("has what a sink's own transform still worked on read again", async () => {
    here.produce('p', ...keys('p', 3));
    here.produce('q', 'q1', 'q2');
    here.system.faults.next('source.read', undefined, undefined, fail('not_connected', 50));
    const slow = map(async (message) => {
      if (message.key === 'p1') await new Promise<void>((resolve) => here.instance.clock.after(100, resolve));
      return message;
    });
    const sinks = { one: { sink: here.memory.sink({ destination: 'out' }), transforms: [slow] } };
    await here.run({ source: { batchMessages: 1 }, sinks });
    expect(new Set(here.stored())).toEqual(new Set([...keys('p', 3), 'q1', 'q2']));
  });

  it('is opened again for ever once it was open', async () => {
    here.produce('p', 'a');
    here.system.faults.next('source.open', undefined, ...Array.from({ length: 25 }, () => fail('not_connected')));
    here.system.faults.next('source.read', fail('not_connected'));
    await here.run();
    expect(here.stored()).toEqual(['a']);
  });

  it('stops the pipeline after ten failures of an unknown kind, with what was read delivered', async () => {
    here.produce('p', 'a', 'b');
    here.system.faults.next('source.read', undefined, ...Array.from({ length: 10 }, () => fail('unknown')));
    const stopped = here.run({ source: { batchMessages: 1, bounded: false } });
    await expect(stopped).rejects.toMatchObject({
      code: 'unknown',
      direction: 'source',
      operation: 'read',
      partition: 'p',
    });
    expect(here.stored()).toEqual(['a']);
    expect(here.callsOf('source.open')).toHaveLength(10);
  });

  it('tells that it is degraded and that it has recovered', async () => {
    here.produce('p', 'a');
    here.system.faults.next('source.read', fail('not_connected'), fail('not_connected'));
    await here.run();
    const told = here.events.map((event) => ('part' in event ? `${event.type} ${event.part}` : event.type));
    expect(told).toEqual(['started', 'degraded source', 'degraded source', 'recovered source', 'stopped']);
  });

  it('drops the commits of the old connection', async () => {
    here.produce('p', ...keys('p', 4));
    here.system.faults.next('source.commit', fail('not_connected', 100));
    await here.run({ source: { batchMessages: 2, position: 'source' } });
    expect(committed('p')).toBe(4);
  });

  it('is told what is settled when it is open again, though a commit fails while it is closed', async () => {
    here.produce('p', ...keys('p', 2));
    here.system.faults.next('source.commit', fail('timeout', 20));
    here.system.faults.next('source.read', undefined, fail('not_connected', 10));
    await here.run({ source: { position: 'source', window: 10, batchMessages: 1 } });
    expect(committed('p')).toBe(2);
  });

  it('ends with what it read committed, though a commit loses the connection at the very end', async () => {
    here.produce('p', 'a');
    here.system.faults.next('source.commit', fail('not_connected'), fail('not_connected'));
    expect(await here.run({ source: { position: 'source' } })).toMatchObject({ unsettled: 0 });
    expect(committed('p')).toBe(1);
  });
});

describe('an unbounded source that ends unasked', () => {
  it('is opened again when it has one partition', async () => {
    here.produce('', 'a');
    here.system.faults.next('source.read', undefined, endRead());
    const run = here.start({ source: { partitions: 'single', bounded: false } });
    await here.system.clock.advance(0);
    here.produce('', 'b');
    await here.system.clock.run(() => here.stored().includes('c') || here.callsOf('source.open').length === 2);
    here.produce('', 'c');
    await here.system.clock.run(() => here.stored().includes('c'));
    await run.stop();
    expect(new Set(here.stored())).toEqual(new Set(['a', 'b', 'c']));
  });

  it('is opened again when every partition has ended', async () => {
    here.produce('p', 'a');
    here.system.faults.next('source.read', undefined, endRead());
    const run = here.start({ source: { bounded: false } });
    await here.system.clock.advance(0);
    here.produce('p', 'b');
    await here.system.clock.run(() => here.stored().includes('b'));
    await run.stop();
    expect(here.callsOf('source.open').length).toBeGreaterThanOrEqual(2);
  });
});

describe('a bounded source', () => {
  it('ends the run when everything is read, written and committed', async () => {
    here.produce('p', ...keys('p', 250));
    here.system.faults.decideBy(({ name }) => (/write|commit|save/.test(name) ? delay(700) : undefined));
    const stats = await here.run({ source: { position: 'source' } });
    expect(stats).toMatchObject({ received: 250, written: 250, inFlight: 0, unsettled: 0 });
    expect(committed('p')).toBe(250);
  });

  it('ends the run at once when there is nothing', async () => {
    expect(await here.run()).toMatchObject({ received: 0 });
    here.produce('p');
    expect(await here.run()).toMatchObject({ received: 0, unsettled: 0 });
  });

  it('has every group member finish its own partitions', async () => {
    here.produce('p', ...keys('p', 5));
    here.produce('q', ...keys('q', 5));
    here.system.stream('in').end();
    const definition = { source: { partitions: 'assigned', position: 'source' } } as const;
    const first = here.start(definition);
    const second = here.start(definition, here.system.instance('b'));
    await here.system.clock.settle(Promise.all([first.done, second.done]));
    expect(here.stored().toSorted()).toEqual([...keys('p', 5), ...keys('q', 5)]);
    expect([committed('p'), committed('q')]).toEqual([5, 5]);
  });
});
