import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Codec } from '../../src/codec/codec.js';
import { delay, fail, keyText } from '../../src/testing/index.js';
import { map } from '../../src/transform.js';
import { type DeadLetterWorld, deadLetterWorld } from './dead-letter-world.js';
import { expectNoViolations, keys, type World } from './world.js';

let here: DeadLetterWorld;
beforeEach(() => {
  here = deadLetterWorld();
});
afterEach(() => expectNoViolations(here));

describe('the dead-letter sink', () => {
  it.each([{}, { flush: true }, { atomic: true }])(
    'has a dead letter durably before the checkpoint passes it (%o)',
    async (sink) => {
      const order: string[] = [];
      here.system.events.listen((event) => {
        if (event.type === 'stored') order.push(event.destination);
        if (event.type === 'checkpoint') order.push('checkpoint');
      });
      here.produce('p', 'a', 'b');
      here.refuse('a');
      here.system.faults.next({ name: 'sink.write', target: 'dead' }, fail('rate_limited', 5000));
      await here.runWithLetters({ sink });
      expect(order.indexOf('dead')).toBeGreaterThanOrEqual(0);
      expect(order.indexOf('dead')).toBeLessThan(order.indexOf('checkpoint'));
    },
  );

  it.each([{}, { flush: true }, { atomic: true }])('may be of any kind (%o)', async (sink) => {
    here.produce('p', 'a', 'b', 'c');
    here.refuse('a', 'c');
    await here.runWithLetters({ deadLetter: here.deadLetter(sink) });
    expect(here.deadKeys()).toEqual(['a', 'c']);
  });

  it('gets JSON when it takes bytes', async () => {
    here.produce('p', 'a');
    here.refuse('a');
    await here.runWithLetters({ deadLetter: here.deadLetter({ payload: 'bytes' }) });
    const [stored] = here.system.destination('dead').stored;
    expect(JSON.parse(Buffer.from(stored?.message.payload as Uint8Array).toString())).toMatchObject({
      pipeline: 'copy',
      partition: 'p',
    });
  });

  it('is opened once, before anything is read', async () => {
    here.produce('p', 'a');
    await here.runWithLetters();
    const order = here.calls.map(({ name, target }) => `${name} ${target}`);
    expect(order.indexOf('sink.open dead')).toBeLessThan(order.indexOf('source.read in'));
    expect(here.callsOf('sink.open', 'dead')).toHaveLength(1);
  });

  it('holds only the position when it is down, and gets all when it is back', async () => {
    here.produce('p', 'a', 'b', 'c');
    here.refuse('a');
    here.system.faults.next(
      { name: 'sink.write', target: 'dead' },
      ...Array.from({ length: 12 }, () => fail('not_connected')),
    );
    const started = here.start({ source: { bounded: false }, deadLetter: here.deadLetter() });
    await here.system.clock.advance(2000);
    expect(here.stored()).toEqual(['b', 'c']);
    expect(here.system.savedCheckpoint('copy')).toEqual({});
    await here.system.clock.run(() => here.letters().length === 1);
    await started.stop();
    expect(here.system.savedCheckpoint('copy')).toMatchObject({ 'source:p': { position: { next: 3 } } });
    const told = here.events.filter(({ type }) => type === 'degraded' || type === 'recovered');
    expect(told.at(-1)).toMatchObject({ type: 'recovered', part: 'deadLetter' });
  });

  it.each(['conflict', 'timeout'] as const)(
    'stores every letter once more or less when its flush fails with %s',
    async (code) => {
      here.produce('p', 'a', 'b');
      here.refuse('a', 'b');
      here.system.faults.next({ name: 'sink.flush', target: 'dead' }, fail(code));
      await here.runWithLetters({ deadLetter: here.deadLetter({ atomic: true }) });
      expect(here.deadKeys()).toEqual(['a', 'b']);
    },
  );

  it('stops the pipeline when it refuses a dead letter, with the position before it', async () => {
    here.produce('p', 'a', 'b', 'c');
    here.refuse('b');
    here.system.destination('dead').refuses = () => 'message_too_large';
    await expect(here.runWithLetters()).rejects.toMatchObject({
      code: 'message_too_large',
      message: expect.stringContaining('a dead letter could not be stored'),
    });
    expect(here.placeOfCheckpoint()).toBeLessThanOrEqual(1);
    here.system.destination('dead').refuses = () => undefined;
    await here.runWithLetters();
    expect(here.deadKeys()).toEqual(['b']);
    expect(new Set(here.stored())).toEqual(new Set(['a', 'c']));
  });

  it('gets no write above its limits', async () => {
    here.produce('p', ...keys('p', 20));
    here.refuse(...keys('p', 20));
    const limits = { maxMessages: 7, maxBytes: 1500 };
    await here.runWithLetters({ deadLetter: here.deadLetter({ payload: 'bytes', limits }) });
    expect(here.system.destination('dead').stored).toHaveLength(20);
    expect(here.callsOf('sink.write', 'dead').length).toBeGreaterThan(3);
  });

  it('stops the pipeline when its codec cannot write a dead letter, with the position before it', async () => {
    here.produce('p', 'a', 'b', 'c');
    here.refuse('b');
    const encode = (): never => {
      throw new Error('no object please');
    };
    const codec: Codec = { name: 'picky', decode: () => null, encode, keepsChanges: false };
    const sink = here.memory.sink({ destination: 'dead', payload: 'bytes' }, { codec });
    await expect(here.runWithLetters({ deadLetter: { sink, maxRatio: 1 } })).rejects.toMatchObject({
      code: 'message_invalid',
      message: expect.stringMatching(/codec picky .*no object please \(a dead letter could not be stored/),
    });
    expect(here.placeOfCheckpoint()).toBeLessThanOrEqual(1);
    await here.runWithLetters();
    expect(here.deadKeys()).toEqual(['b']);
    expect(new Set(here.stored())).toEqual(new Set(['a', 'c']));
  });

  it('is refused with a codec that takes no objects, before anything is read', async () => {
    const sink = here.memory.sink({ destination: 'dead', payload: 'bytes' }, { codec: 'text' });
    expect(() => here.define({ deadLetter: { sink } })).toThrow(/dead letters .* codec "text" .* leave the codec out/);
    const branch = { sink: here.memory.sink({ destination: 'out' }), deadLetter: { sink } };
    expect(() => here.define({ sinks: { one: branch } })).toThrow(/codec "text"/);
  });

  it('stops the pipeline when it fails for good', async () => {
    here.produce('p', 'a');
    here.refuse('a');
    here.system.faults.next({ name: 'sink.write', target: 'dead' }, fail('permission_denied'));
    await expect(here.runWithLetters()).rejects.toMatchObject({ code: 'permission_denied' });
    expect(here.placeOfCheckpoint()).toBe(0);
  });

  it('leaves what it could not store at shutdown for the next run', async () => {
    here.produce('p', 'a', 'b');
    here.refuse('a');
    here.system.faults.decideBy(({ name, target }) =>
      name === 'sink.write' && target === 'dead' ? fail('not_connected') : undefined,
    );
    const started = here.start({ source: { bounded: false }, deadLetter: here.deadLetter() });
    await here.system.clock.advance(3000);
    const stats = await started.stop();
    expect(stats.unsettled).toBe(2);
    here.system.faults.stop();
    await here.runWithLetters();
    expect(here.deadKeys()).toEqual(['a']);
  });

  it('leaves what was taken over and not flushed, when it fails while the partition is being given up', async () => {
    here.produce('p', ...keys('p', 5));
    here.produce('q');
    here.system.faults.decideBy(({ name, target, messages }) => {
      if (name === 'sink.write' && target === 'dead') return fail('permission_denied');
      return name === 'sink.write' && messages.some((message) => keyText(message) === 'p4') ? delay(2000) : undefined;
    });
    const broken = map((message) => {
      if (keyText(message) === 'bad') throw new Error('it is bad');
      return message;
    });
    // The first three are taken over whole; of the last two, the second waits behind the first, so they are never flushed.
    const run = here.start({
      source: { partitions: 'assigned', bounded: false, batchMessages: 3 },
      transforms: [broken],
      sink: { atomic: true, limits: { maxMessages: 1 } },
      deadLetter: here.deadLetter(),
    });
    await here.system.clock.advance(10);
    here.system.stream('in').group('copy').assignment.assign('p', null);
    here.produce('q', 'bad');
    const failure: unknown = await here.system.clock.settle(run.done.catch((error: unknown) => error));
    expect(failure).toMatchObject({ code: 'permission_denied' });
    expect(here.events.at(-1)).toMatchObject({ type: 'stopped', summary: { received: 6, unsettled: 6 } });
    expect(here.stored()).toEqual([]);
  });

  it('is one for each branch that names its own', async () => {
    here.produce('p', 'a', 'b');
    here.system.destination('one').refuses = ({ key }) => (key === 'a' ? 'message_invalid' : undefined);
    here.system.destination('two').refuses = ({ key }) => (key === 'b' ? 'message_invalid' : undefined);
    const sink = (destination: string): ReturnType<World['memory']['sink']> => here.memory.sink({ destination });
    const own = here.memory.sink({ destination: 'dead of two', payload: 'value' });
    await here.runWithLetters({
      sinks: { one: sink('one'), two: { sink: sink('two'), deadLetter: { sink: own, maxRatio: 1 } } },
    });
    expect(here.letters()).toMatchObject([{ sink: 'one', message: { key: { value: 'a' } } }]);
    const other = here.system.destination('dead of two').stored.map(({ message }) => message.payload);
    expect(other).toMatchObject([{ sink: 'two', message: { key: { value: 'b' } } }]);
  });

  it('gets a letter from every branch that refuses a message, each with an id of its own', async () => {
    here.produce('p', 'a', 'b');
    const refusing = (name: string) => ({
      sink: here.memory.sink({ destination: name }),
      transforms: [map(() => Promise.reject(new Error(`${name} takes none`)))],
    });
    const third = { sink: here.memory.sink({ destination: 'three' }), deadLetter: here.deadLetter() };
    const { deadLettered } = await here.runWithLetters({
      sinks: { one: refusing('one'), two: refusing('two'), three: third },
    });
    expect(here.letters().map(({ sink, message }) => [sink, message.key])).toEqual([
      ['one', { value: 'a' }],
      ['one', { value: 'b' }],
      ['two', { value: 'a' }],
      ['two', { value: 'b' }],
    ]);
    expect(new Set(here.letters().map(({ id }) => id)).size).toBe(4);
    expect(deadLettered).toBe(4);
    expect(here.stored('three')).toEqual(['a', 'b']);
  });
});

describe('too many dead letters', () => {
  it('stop the pipeline with the most frequent reason', async () => {
    here.produce('p', ...keys('bad ', 60), ...keys('p', 100));
    const check = map((message) => {
      if (keyText(message) === 'bad 1') throw new Error('rare');
      if (keyText(message).startsWith('bad')) throw new Error('frequent.');
      return message;
    });
    const sink = here.memory.sink({ destination: 'dead', payload: 'value' });
    const stopped = here.run({ transforms: [check], deadLetter: { sink, window: 100 }, source: { batchMessages: 1 } });
    await expect(stopped).rejects.toMatchObject({
      code: 'message_invalid',
      message: expect.stringMatching(
        /more than 10 % of the latest 100 messages are invalid, most often because: .*frequent\. Remove the cause/,
      ),
    });
    expect(here.letters().length).toBeLessThanOrEqual(12);
  });

  it('count a message once, however many branches refuse it', async () => {
    here.produce('p', ...Array.from({ length: 200 }, (_, index) => (index % 15 === 0 ? `bad${index}` : `p${index}`)));
    const branch = (destination: string) => ({
      sink: here.memory.sink({ destination }),
      transforms: [
        map((message) => {
          if (keyText(message).startsWith('bad')) throw new Error('bad');
          return message;
        }),
      ],
    });
    const sink = here.memory.sink({ destination: 'dead', payload: 'value' });
    const stats = await here.run({
      sinks: { one: branch('one'), two: branch('two') },
      deadLetter: { sink, window: 100 },
    });
    expect(stats).toMatchObject({ written: 372, deadLettered: 28 });
  });

  it('do not stop it below the ratio', async () => {
    here.produce('p', ...Array.from({ length: 200 }, (_, index) => (index % 20 === 0 ? `bad${index}` : `p${index}`)));
    const check = map((message) => {
      if (keyText(message).startsWith('bad')) throw new Error('bad');
      return message;
    });
    const sink = here.memory.sink({ destination: 'dead', payload: 'value' });
    const stats = await here.run({
      transforms: [check],
      deadLetter: { sink, window: 100 },
      source: { batchMessages: 5 },
    });
    expect(stats).toMatchObject({ written: 190, deadLettered: 10 });
  });
});
