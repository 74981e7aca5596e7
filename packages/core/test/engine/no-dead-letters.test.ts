import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConnectorError, type ErrorCode } from '../../src/error.js';
import type { Message } from '../../src/message.js';
import type { Sink } from '../../src/sink.js';
import { BatchError } from '../../src/sink-driver.js';
import { failMessages, inlineSink, keyText } from '../../src/testing/index.js';
import { filter, flatMap, map } from '../../src/transform.js';
import { type DeadLetterWorld, deadLetterWorld } from './dead-letter-world.js';
import { expectNoViolations, keys } from './world.js';

let here: DeadLetterWorld;
beforeEach(() => {
  here = deadLetterWorld();
});
afterEach(() => expectNoViolations(here));

/** A sink that keeps nothing and refuses the messages with these keys. */
function refusingSink(...refused: readonly (readonly [string, ErrorCode])[]): Sink {
  const codes = new Map(refused);
  return inlineSink('refusing', {
    write: async ({ messages }) => {
      const failures = messages.flatMap((message, index) => {
        const code = codes.get(keyText(message));
        return code === undefined ? [] : [{ index, error: new ConnectorError(code, 'refused') }];
      });
      if (failures.length > 0) throw new BatchError(failures);
    },
  });
}

describe('without a dead-letter sink', () => {
  it.each([
    ['a driver could not read', { failure: new Error('broken') }],
    ['cannot be decoded', { payload: Buffer.from('{') }],
  ])(
    'a message that %s stops the pipeline, with all before it delivered, and is the first one of the next run',
    async (_what, bad) => {
      const good = { payload: Buffer.from('1') };
      here.produceMessages(
        'p',
        { ...good, key: 'a' },
        { ...good, key: 'b' },
        { ...good, ...bad, key: 'bad' },
        { ...good, key: 'd' },
      );
      await expect(here.run({ sink: { payload: 'value' } })).rejects.toMatchObject({ code: 'message_invalid' });
      expect(here.stored()).toEqual(['a', 'b']);
      expect(here.placeOfCheckpoint()).toBe(2);
      expect(await here.run({ sink: { payload: 'value' }, onInvalid: 'drop' })).toMatchObject({
        received: 2,
        dropped: 1,
      });
      expect(here.stored()).toEqual(['a', 'b', 'd']);
    },
  );

  it.each([{}, { flush: true }, { atomic: true }])(
    'a message on which a transform throws stops the pipeline at it (%o)',
    async (sink) => {
      here.produce('p', ...keys('p', 5));
      let broken = true;
      const check = map((message) => {
        if (broken && message.key === 'p4') throw new Error('bad');
        return message;
      });
      await expect(here.run({ sink, transforms: [check] })).rejects.toMatchObject({ code: 'message_invalid' });
      expect(here.stored()).toEqual(keys('p', 3));
      broken = false;
      await here.run({ sink, transforms: [check] });
      expect(here.stored()).toEqual(keys('p', 5));
    },
  );

  it.each([{}, { flush: true }, { atomic: true }, { preferred: { maxMessages: 1 } }])(
    "a message on which a sink's own transform throws stops the pipeline at it (%o)",
    async (config) => {
      here.produce('p', ...keys('p', 5));
      let broken = true;
      const check = map((message) => {
        if (broken && message.key === 'p4') throw new Error('bad');
        return message;
      });
      const sinks = { one: { sink: here.memory.sink({ destination: 'out', ...config }), transforms: [check] } };
      await expect(here.run({ sinks })).rejects.toMatchObject({ code: 'message_invalid' });
      expect(here.stored()).toEqual(keys('p', 3));
      broken = false;
      await here.run({ sinks });
      expect(here.stored()).toEqual(keys('p', 5));
    },
  );

  it.each(['sync', 'async'])(
    'a message on which the transform of the second of two sinks throws stops both at it (%s)',
    async (how) => {
      here.produce('p', ...keys('p', 5));
      let broken = true;
      const refuse = (message: Message): Message => {
        if (broken && message.key === 'p4') throw new Error('bad');
        return message;
      };
      const check = how === 'sync' ? map(refuse) : map(async (message) => refuse(message));
      const [one, two] = ['one', 'two'].map((destination) => here.memory.sink({ destination }));
      if (one === undefined || two === undefined) throw new Error('there are two');
      const sinks = { one, two: { sink: two, transforms: [check] } };
      await expect(here.run({ sinks })).rejects.toMatchObject({ code: 'message_invalid' });
      for (const name of ['one', 'two']) expect(here.stored(name)).toEqual(keys('p', 3));
      broken = false;
      await here.run({ sinks });
      for (const name of ['one', 'two']) expect(here.stored(name)).toEqual(keys('p', 5));
    },
  );

  it.each([
    [true, ['p2'], ['p1', 'p3']],
    [false, [], []],
  ])(
    'a message that stops the pipeline has no dead letter of another sink written behind it (batches that can be cut: %s)',
    async (positionAt, letters, stored) => {
      here.produce('p', ...keys('p', 5));
      let broken = true;
      const check = (...refused: readonly string[]) =>
        map((message) => {
          if (refused.includes(keyText(message)) && (broken || message.key === 'p2')) throw new Error('bad');
          return message;
        });
      const sinks = {
        one: {
          sink: here.memory.sink({ destination: 'one' }),
          transforms: [check('p2', 'p5')],
          deadLetter: here.deadLetter(),
        },
        two: { sink: here.memory.sink({ destination: 'two' }), transforms: [check('p4')] },
      };
      const run = here.start({ source: { positionAt }, sinks });
      await expect(here.system.clock.settle(run.done)).rejects.toMatchObject({ code: 'message_invalid' });
      expect([here.deadKeys(), here.stored('one')]).toEqual([letters, stored]);
      expect(run.pipeline.stats()).toMatchObject({ deadLettered: letters.length });
      broken = false;
      await here.run({ source: { positionAt }, sinks });
      expect([here.deadKeys(), here.stored('one')]).toEqual([['p2'], ['p1', 'p3', 'p4', 'p5']]);
      expect(here.stored('two')).toEqual(keys('p', 5));
    },
  );

  it('a message of which one output is invalid stops the pipeline before any of its outputs is written', async () => {
    here.produce('p', 'a', 'b', 'c');
    let broken = true;
    const three = flatMap((message) => keys(keyText(message), 3).map((key) => ({ ...message, key })));
    const check = map((message) => {
      if (broken && message.key === 'b2') throw new Error('bad');
      return message;
    });
    const definition = { transforms: [three, check], sink: { atomic: true } };
    await expect(here.run(definition)).rejects.toMatchObject({ code: 'message_invalid' });
    expect(here.stored()).toEqual(keys('a', 3));
    broken = false;
    await here.run(definition);
    expect(here.stored()).toEqual(['a', 'b', 'c'].flatMap((key) => keys(key, 3)));
  });

  it.each([
    ['counts only what was filtered before it', {}, { filtered: 1, unsettled: 4 }],
    [
      'counts nothing as filtered where the batch settles only whole',
      { positionAt: false },
      { filtered: 0, unsettled: 6 },
    ],
  ])('a message that cannot be decoded %s', async (_what, source, numbers) => {
    const payloads = ['1', '2', '{', '3', '4', '{'];
    here.produceMessages(
      'p',
      ...payloads.map((payload, index) => ({ key: `p${index}`, payload: Buffer.from(payload) })),
    );
    const run = here.start({
      source,
      sink: { payload: 'value' },
      transforms: [filter((message) => message.payload !== 2 && message.payload !== 4)],
    });
    await expect(here.system.clock.settle(run.done)).rejects.toMatchObject({ code: 'message_invalid' });
    expect(run.pipeline.stats()).toMatchObject({ received: 6, ...numbers });
  });

  it('a message that the sink refuses stops the pipeline at it', async () => {
    here.produce('p', ...keys('p', 5));
    here.refuse('p4');
    await expect(
      here.run({ sink: { preferred: { maxMessages: 1 } }, source: { batchMessages: 1 } }),
    ).rejects.toMatchObject({
      code: 'message_invalid',
    });
    expect(here.stored().slice(0, 3)).toEqual(keys('p', 3));
    expect(here.placeOfCheckpoint()).toBe(3);
    here.refuse();
    await here.run();
    expect([...new Set(here.stored())].toSorted()).toEqual(keys('p', 5));
  });

  it('a message in the middle of a write that the sink refuses stops the pipeline just before it', async () => {
    here.produce('p', ...keys('p', 5));
    here.system.faults.next('sink.write', failMessages('message_invalid', 2));
    await expect(here.run()).rejects.toMatchObject({ code: 'message_invalid' });
    expect(here.placeOfCheckpoint()).toBe(2);
    await here.run();
    expect(here.stored().slice(-3)).toEqual(keys('p', 3, 3));
  });

  it('an atomic sink stores nothing of a write with such a message, and goes on with all of it', async () => {
    here.produce('p', ...keys('p', 5));
    here.system.faults.next('sink.write', failMessages('message_invalid', 2));
    await expect(here.run({ sink: { atomic: true } })).rejects.toMatchObject({ code: 'message_invalid' });
    expect(here.stored()).toEqual([]);
    await here.run({ sink: { atomic: true } });
    expect(here.stored()).toEqual(keys('p', 5));
  });

  it('a message that the sink refuses does not pass one before it that is to be written again', async () => {
    here.produce('p', ...keys('p', 4));
    const sink = refusingSink(['p2', 'timeout'], ['p3', 'message_invalid']);
    await expect(here.run({ sink })).rejects.toMatchObject({ code: 'message_invalid' });
    expect(here.placeOfCheckpoint()).toBe(0);
  });

  it('an atomic sink stores nothing of a batch of which it refuses a message when it has some of it', async () => {
    here.produce('p', ...keys('p', 4));
    here.refuse('p4');
    const sink = { atomic: true, limits: { maxMessages: 1 } };
    await expect(here.run({ sink })).rejects.toMatchObject({ code: 'message_invalid' });
    expect(here.stored()).toEqual([]);
    here.refuse();
    await here.run({ sink });
    expect(here.stored()).toEqual(keys('p', 4));
  });
});

describe('"onInvalid: drop"', () => {
  it('forgets invalid messages and counts them', async () => {
    here.produce('p', ...keys('p', 5));
    here.refuse('p1');
    const check = map((message) => {
      if (message.key === 'p5') throw new Error('bad');
      return message;
    });
    const stats = await here.run({ onInvalid: 'drop', transforms: [check] });
    expect(stats).toMatchObject({ received: 5, written: 3, dropped: 2, deadLettered: 0, unsettled: 0, filtered: 0 });
    expect(here.stored()).toEqual(keys('p', 3, 2));
    expect(here.placeOfCheckpoint()).toBe(5);
    expect(here.events.filter(({ type }) => type === 'deadLetter')).toMatchObject([
      { dropped: true },
      { dropped: true },
    ]);
  });
});
