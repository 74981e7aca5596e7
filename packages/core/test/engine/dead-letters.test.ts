import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeadLetter } from '../../src/engine/dead-letter.js';
import type { PipelineDefinition } from '../../src/pipeline-definition.js';
import { crash, fail, failMessages, keyText, type MemorySinkInput, memoryConnector } from '../../src/testing/index.js';
import { filter, flatMap, map } from '../../src/transform.js';
import { expectNoViolations, keys, type World, type WorldDefinition, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
});
afterEach(() => expectNoViolations(here));

function deadLetter(sink: Partial<MemorySinkInput> = {}): NonNullable<PipelineDefinition['deadLetter']> {
  return { sink: here.memory.sink({ destination: 'dead', payload: 'value', ...sink }), maxRatio: 1 };
}

const run = (definition: WorldDefinition = {}): ReturnType<World['run']> =>
  here.run({ deadLetter: deadLetter(), ...definition });

/** The dead letters that are stored, in order. */
function letters(): DeadLetter[] {
  // The dead-letter sink takes values, and the engine's are dead letters.
  return here.system.destination('dead').stored.map(({ message }) => message.payload as unknown as DeadLetter);
}

const deadKeys = (): unknown[] => letters().map(({ message }) => (message.key as { value: unknown }).value);

function refuse(...refused: readonly string[]): void {
  here.system.destination('out').refuses = (message) =>
    refused.includes(keyText(message)) ? 'message_invalid' : undefined;
}

describe('a dead letter', () => {
  it('holds the message as the source gave it, where it came from, and why it is one', async () => {
    const topic = 'orders';
    const headers = [
      ['trace', Buffer.from('t1')],
      ['count', 3],
    ] as const;
    here.produceMessages(
      'p',
      { key: 'good', payload: Buffer.from('1') },
      { key: 'bad', payload: Buffer.from('{'), topic, headers, timestamp: 5 },
    );
    await run({ source: { batchMessages: 2 }, sink: { payload: 'value' } });
    const [letter] = letters();
    expect(letter).toMatchObject({
      pipeline: 'copy',
      source: 'source',
      partition: 'p',
      position: { next: 2 },
      index: 0,
      sink: null,
      code: 'message_invalid',
      attempts: 0,
      message: {
        topic,
        key: { value: 'bad' },
        payload: { text: '{' },
        headers: [
          ['trace', { text: 't1' }],
          ['count', { value: 3 }],
        ],
        timestamp: 5,
        operation: null,
        before: null,
      },
    });
    expect(letter?.reason).toMatch(/json/);
    expect(letter?.at).toBe(new Date(here.system.clock.now()).toISOString());
  });

  it('holds bytes that are not UTF-8 as base64, exactly', async () => {
    const bytes = Uint8Array.of(0xff, 0, 0xc3, 0x28);
    here.produceMessages('p', { key: bytes, payload: bytes });
    await run({ sink: { payload: 'value' } });
    expect(letters()[0]?.message).toMatchObject({ key: { base64: '/wDDKA==' }, payload: { base64: '/wDDKA==' } });
  });

  it('holds the original, not what transforms made of it', async () => {
    here.produce('p', 'a');
    refuse('changed');
    await run({ transforms: [map((message) => ({ ...message, key: 'changed', payload: Buffer.from('changed') }))] });
    expect(letters()[0]?.message).toMatchObject({ key: { value: 'a' }, payload: { text: 'a' } });
  });

  it('keeps its id when its message comes again, and another message has another one', async () => {
    here.produce('p', 'a', 'b');
    refuse('a', 'b');
    const definition = { source: { position: 'engine' }, onEvent: () => undefined } as const;
    await run(definition);
    const first = letters().map(({ id }) => id);
    expect(new Set(first).size).toBe(2);
    expect(here.system.destination('dead').stored.map(({ message }) => message.key)).toEqual(first);
  });

  it.each([true, false])('has the same id after a crash before its checkpoint (positionAt: %s)', async (positionAt) => {
    here.produce('p', 'a', 'b', 'c');
    refuse('b');
    here.system.faults.next('store.save', crash());
    here.start({ source: { positionAt }, deadLetter: deadLetter() });
    await here.system.clock.run(() => !here.instance.alive);
    here.system.faults.stop();
    const second = here.system.instance('b');
    const sink = memoryConnector(here.system, second).sink({ destination: 'dead', payload: 'value' });
    await here.system.clock.settle(here.define({ source: { positionAt }, deadLetter: { sink } }, second).run());
    const ids = letters().map(({ id }) => id.replace(/"lease":\d+/, ''));
    expect(ids).toHaveLength(2);
    expect(ids[0]).toBe(ids[1]);
  });

  it('tells the place in its batch where the source has no places for single messages', async () => {
    here.produce('p', 'a', 'b', 'c');
    refuse('b', 'c');
    await run({ source: { positionAt: false } });
    expect(letters()).toMatchObject([
      { position: { next: 3 }, index: 1 },
      { position: { next: 3 }, index: 2 },
    ]);
  });
});

describe('what becomes a dead letter', () => {
  it('is a message that cannot be decoded', async () => {
    here.produce('p', '1', 'not json', '2');
    const stats = await run({ sink: { payload: 'value' } });
    expect(here.stored()).toEqual(['1', '2']);
    expect(deadKeys()).toEqual(['not json']);
    expect(stats).toMatchObject({ received: 3, written: 2, deadLettered: 1, dropped: 0, filtered: 0 });
  });

  it.each([
    ['map', map],
    ['filter', filter],
    ['flatMap', flatMap],
  ] as const)('is a message on which a synchronous %s throws', async (kind, step) => {
    here.produce('p', 'a', 'bad', 'c');
    const apply = (): never => {
      throw new Error('no such field');
    };
    const throwing = {
      kind,
      apply: (message: { key: unknown }) => (message.key === 'bad' ? apply() : pass(kind, message)),
    };
    await run({ transforms: [throwing as unknown as ReturnType<typeof step>] }); // one test for three kinds of function
    expect(here.stored()).toEqual(['a', 'c']);
    expect(letters()).toMatchObject([
      { code: 'message_invalid', reason: `${kind} could not handle the message: no such field` },
    ]);
  });

  it('is a message on which an asynchronous transform rejects', async () => {
    here.produce('p', 'a', 'bad', 'c', 'bad');
    const check = map(async (message) => {
      await here.instance.clock.yield();
      if (message.key === 'bad') throw new Error('refused by the service');
      return message;
    });
    await run({ transforms: [check] });
    expect(here.stored()).toEqual(['a', 'c']);
    expect(deadKeys()).toEqual(['bad', 'bad']);
  });

  it('is a message for which a transform returns something that is no message', async () => {
    here.produce('p', 'a');
    await run({ transforms: [map(() => ({ id: 1 }) as never)] });
    expect(letters()[0]?.reason).toContain('something that is not a message');
  });

  it('is a message that the driver could not make sense of', async () => {
    here.produceMessages(
      'p',
      { key: 'a' },
      { key: 'broken', payload: Buffer.from('raw'), failure: new Error('a broken row') },
      { key: 'c' },
    );
    const stats = await run();
    expect(here.stored()).toEqual(['a', 'c']);
    expect(letters()).toMatchObject([{ reason: 'a broken row', message: { payload: { text: 'raw' } } }]);
    expect(stats).toMatchObject({ received: 3, written: 2, deadLettered: 1, filtered: 0 });
  });

  it('is a message that the sink names in a batch error, with the number of attempts', async () => {
    here.produce('p', ...keys('p', 5));
    refuse('p2', 'p4');
    here.system.faults.next('sink.write', fail('conflict'));
    await run();
    expect(here.stored()).toEqual(['p1', 'p3', 'p5']);
    expect(letters()).toMatchObject([
      { sink: 'sink', code: 'message_invalid', attempts: 2 },
      { sink: 'sink', attempts: 2 },
    ]);
    expect(deadKeys()).toEqual(['p2', 'p4']);
  });

  it('is a message that the sink names, and an atomic sink has the others written again', async () => {
    here.produce('p', ...keys('p', 5));
    refuse('p2', 'p4');
    const stats = await run({ sink: { atomic: true } });
    expect(here.stored()).toEqual(['p1', 'p3', 'p5']);
    expect(deadKeys()).toEqual(['p2', 'p4']);
    expect(stats).toMatchObject({ written: 3, deadLettered: 2 });
  });

  it.each([{}, { flush: true }, { atomic: true }])(
    'is the one message of a write that is refused as a whole (%o), which is taken apart to find it',
    async (sink) => {
      here.produce('p', ...keys('p', 6));
      here.system.faults.decideBy(({ name, messages, target }) =>
        name === 'sink.write' && target === 'out' && messages.some(({ key }) => key === 'p3')
          ? fail('message_too_large')
          : undefined,
      );
      await run({ sink });
      expect(here.stored()).toEqual(['p1', 'p2', 'p4', 'p5', 'p6']);
      expect(letters()).toMatchObject([{ code: 'message_too_large', sink: 'sink' }]);
      expect(deadKeys()).toEqual(['p3']);
    },
  );

  it('keeps what is retryable in the same batch error, in order', async () => {
    here.produce('p', ...keys('p', 6));
    here.system.faults.next('sink.write', {
      failures: [
        { index: 1, code: 'message_invalid' },
        { index: 3, code: 'conflict' },
      ],
    });
    await run();
    expect(here.stored()).toEqual(['p1', 'p3', 'p4', 'p5', 'p6']);
    expect(deadKeys()).toEqual(['p2']);
  });

  it('is a message one of whose outputs is refused, once, and its other outputs are written', async () => {
    here.produce('p', 'a', 'b');
    const three = flatMap((message) => keys(keyText(message), 3).map((key) => ({ ...message, key })));
    refuse('a2', 'b1', 'b3');
    const stats = await run({ transforms: [three] });
    expect(here.stored()).toEqual(['a1', 'a3', 'b2']);
    expect(deadKeys()).toEqual(['a', 'b']);
    expect(stats.deadLettered).toBe(2);
  });

  it('does not hold up the position', async () => {
    here.produce('p', 'a', 'b');
    refuse('a', 'b');
    await run();
    expect(here.system.savedCheckpoint('copy')).toMatchObject({ 'source:p': { position: { next: 2 } } });
  });

  it('is told as an event with its reason', async () => {
    here.produce('p', 'a');
    refuse('a');
    await run();
    expect(here.events.filter(({ type }) => type === 'deadLetter')).toMatchObject([
      { part: 'sink', count: 1, dropped: false, error: { code: 'message_invalid' } },
    ]);
  });
});

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
      refuse('a');
      here.system.faults.next({ name: 'sink.write', target: 'dead' }, fail('rate_limited', 5000));
      await run({ sink });
      expect(order.indexOf('dead')).toBeGreaterThanOrEqual(0);
      expect(order.indexOf('dead')).toBeLessThan(order.indexOf('checkpoint'));
    },
  );

  it.each([{}, { flush: true }, { atomic: true }])('may be of any kind (%o)', async (sink) => {
    here.produce('p', 'a', 'b', 'c');
    refuse('a', 'c');
    await run({ deadLetter: deadLetter(sink) });
    expect(deadKeys()).toEqual(['a', 'c']);
  });

  it('gets JSON when it takes bytes', async () => {
    here.produce('p', 'a');
    refuse('a');
    await run({ deadLetter: deadLetter({ payload: 'bytes' }) });
    const [stored] = here.system.destination('dead').stored;
    expect(JSON.parse(Buffer.from(stored?.message.payload as Uint8Array).toString())).toMatchObject({
      pipeline: 'copy',
      partition: 'p',
    });
  });

  it('is opened once, before anything is read', async () => {
    here.produce('p', 'a');
    await run();
    const order = here.calls.map(({ name, target }) => `${name} ${target}`);
    expect(order.indexOf('sink.open dead')).toBeLessThan(order.indexOf('source.read in'));
    expect(here.callsOf('sink.open', 'dead')).toHaveLength(1);
  });

  it('holds only the position when it is down, and gets all when it is back', async () => {
    here.produce('p', 'a', 'b', 'c');
    refuse('a');
    here.system.faults.next(
      { name: 'sink.write', target: 'dead' },
      ...Array.from({ length: 12 }, () => fail('not_connected')),
    );
    const started = here.start({ source: { bounded: false }, deadLetter: deadLetter() });
    await here.system.clock.advance(2000);
    expect(here.stored()).toEqual(['b', 'c']);
    expect(here.system.savedCheckpoint('copy')).toEqual({});
    await here.system.clock.run(() => letters().length === 1);
    await started.stop();
    expect(here.system.savedCheckpoint('copy')).toMatchObject({ 'source:p': { position: { next: 3 } } });
    const told = here.events.filter(({ type }) => type === 'degraded' || type === 'recovered');
    expect(told.at(-1)).toMatchObject({ type: 'recovered', part: 'deadLetter' });
  });

  it.each(['conflict', 'timeout'] as const)(
    'stores every letter once more or less when its flush fails with %s',
    async (code) => {
      here.produce('p', 'a', 'b');
      refuse('a', 'b');
      here.system.faults.next({ name: 'sink.flush', target: 'dead' }, fail(code));
      await run({ deadLetter: deadLetter({ atomic: true }) });
      expect(deadKeys()).toEqual(['a', 'b']);
    },
  );

  it('stops the pipeline when it refuses a dead letter, with the position before it', async () => {
    here.produce('p', 'a', 'b', 'c');
    refuse('b');
    here.system.destination('dead').refuses = () => 'message_too_large';
    await expect(run()).rejects.toMatchObject({
      code: 'message_too_large',
      message: expect.stringContaining('a dead letter could not be stored'),
    });
    expect(placeOfCheckpoint()).toBeLessThanOrEqual(1);
    here.system.destination('dead').refuses = () => undefined;
    await run();
    expect(deadKeys()).toEqual(['b']);
    expect(new Set(here.stored())).toEqual(new Set(['a', 'c']));
  });

  it('stops the pipeline when it fails for good', async () => {
    here.produce('p', 'a');
    refuse('a');
    here.system.faults.next({ name: 'sink.write', target: 'dead' }, fail('permission_denied'));
    await expect(run()).rejects.toMatchObject({ code: 'permission_denied' });
    expect(placeOfCheckpoint()).toBe(0);
  });

  it('leaves what it could not store at shutdown for the next run', async () => {
    here.produce('p', 'a', 'b');
    refuse('a');
    here.system.faults.decideBy(({ name, target }) =>
      name === 'sink.write' && target === 'dead' ? fail('not_connected') : undefined,
    );
    const started = here.start({ source: { bounded: false }, deadLetter: deadLetter() });
    await here.system.clock.advance(3000);
    const stats = await started.stop();
    expect(stats.unsettled).toBe(2);
    here.system.faults.stop();
    await run();
    expect(deadKeys()).toEqual(['a']);
  });

  it('is one for each branch that names its own', async () => {
    here.produce('p', 'a', 'b');
    here.system.destination('one').refuses = ({ key }) => (key === 'a' ? 'message_invalid' : undefined);
    here.system.destination('two').refuses = ({ key }) => (key === 'b' ? 'message_invalid' : undefined);
    const sink = (destination: string): ReturnType<World['memory']['sink']> => here.memory.sink({ destination });
    const own = here.memory.sink({ destination: 'dead of two', payload: 'value' });
    await run({ sinks: { one: sink('one'), two: { sink: sink('two'), deadLetter: { sink: own, maxRatio: 1 } } } });
    expect(letters()).toMatchObject([{ sink: 'one', message: { key: { value: 'a' } } }]);
    const other = here.system.destination('dead of two').stored.map(({ message }) => message.payload);
    expect(other).toMatchObject([{ sink: 'two', message: { key: { value: 'b' } } }]);
  });
});

describe('too many dead letters', () => {
  it('stop the pipeline with the most frequent reason', async () => {
    here.produce('p', ...keys('bad ', 60), ...keys('p', 100));
    const check = map((message) => {
      if (keyText(message) === 'bad 1') throw new Error('rare');
      if (keyText(message).startsWith('bad')) throw new Error('frequent');
      return message;
    });
    const sink = here.memory.sink({ destination: 'dead', payload: 'value' });
    const stopped = here.run({ transforms: [check], deadLetter: { sink, window: 100 }, source: { batchMessages: 1 } });
    await expect(stopped).rejects.toMatchObject({
      code: 'message_invalid',
      message: expect.stringMatching(
        /more than 10 % of the latest 100 messages are invalid, most often because: .*frequent/,
      ),
    });
    expect(letters().length).toBeLessThanOrEqual(12);
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
      expect(placeOfCheckpoint()).toBe(2);
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

  it('a message that the sink refuses stops the pipeline at it', async () => {
    here.produce('p', ...keys('p', 5));
    refuse('p4');
    await expect(
      here.run({ sink: { preferred: { maxMessages: 1 } }, source: { batchMessages: 1 } }),
    ).rejects.toMatchObject({
      code: 'message_invalid',
    });
    expect(here.stored().slice(0, 3)).toEqual(keys('p', 3));
    expect(placeOfCheckpoint()).toBe(3);
    refuse();
    await here.run();
    expect([...new Set(here.stored())].toSorted()).toEqual(keys('p', 5));
  });

  it('a message in the middle of a write that the sink refuses stops the pipeline just before it', async () => {
    here.produce('p', ...keys('p', 5));
    here.system.faults.next('sink.write', failMessages('message_invalid', 2));
    await expect(here.run()).rejects.toMatchObject({ code: 'message_invalid' });
    expect(placeOfCheckpoint()).toBe(2);
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
});

describe('"onInvalid: drop"', () => {
  it('forgets invalid messages and counts them', async () => {
    here.produce('p', ...keys('p', 5));
    refuse('p1');
    const check = map((message) => {
      if (message.key === 'p5') throw new Error('bad');
      return message;
    });
    const stats = await here.run({ onInvalid: 'drop', transforms: [check] });
    expect(stats).toMatchObject({ received: 5, written: 3, dropped: 2, deadLettered: 0, unsettled: 0, filtered: 0 });
    expect(here.stored()).toEqual(keys('p', 3, 2));
    expect(placeOfCheckpoint()).toBe(5);
    expect(here.events.filter(({ type }) => type === 'deadLetter')).toMatchObject([
      { dropped: true },
      { dropped: true },
    ]);
  });
});

function placeOfCheckpoint(): number {
  const { position } = here.system.savedCheckpoint('copy')['source:p'] ?? { position: { next: 0 } };
  return (position as { next: number }).next;
}

/** What a step of this kind returns when it changes nothing. */
function pass(kind: 'map' | 'filter' | 'flatMap', message: unknown): unknown {
  if (kind === 'filter') return true;
  return kind === 'map' ? message : [message];
}
