import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deadLetterOf } from '../../src/engine/dead-letter.js';
import type { Segment } from '../../src/engine/lease.js';
import { ConnectorError } from '../../src/error.js';
import { crash, memoryConnector } from '../../src/testing/index.js';
import { placeOf } from '../../src/testing/memory-position.js';
import { map } from '../../src/transform.js';
import { type DeadLetterWorld, deadLetterWorld } from './dead-letter-world.js';
import { expectNoViolations } from './world.js';

let here: DeadLetterWorld;
beforeEach(() => {
  here = deadLetterWorld();
});
afterEach(() => expectNoViolations(here));

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
    await here.runWithLetters({ source: { batchMessages: 2 }, sink: { payload: 'value' } });
    const [letter] = here.letters();
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
    await here.runWithLetters({ sink: { payload: 'value' } });
    expect(here.letters()[0]?.message).toMatchObject({ key: { base64: '/wDDKA==' }, payload: { base64: '/wDDKA==' } });
  });

  it('holds the original, not what transforms made of it', async () => {
    here.produce('p', 'a');
    here.refuse('changed');
    await here.runWithLetters({
      transforms: [map((message) => ({ ...message, key: 'changed', payload: Buffer.from('changed') }))],
    });
    expect(here.letters()[0]?.message).toMatchObject({ key: { value: 'a' }, payload: { text: 'a' } });
  });

  it('keeps its id when its message comes again, and another message has another one', async () => {
    here.produce('p', 'a', 'b');
    here.refuse('a', 'b');
    const definition = { source: { position: 'engine' }, onEvent: () => undefined } as const;
    await here.runWithLetters(definition);
    const first = here.letters().map(({ id }) => id);
    expect(new Set(first).size).toBe(2);
    expect(here.system.destination('dead').stored.map(({ message }) => message.key)).toEqual(first);
  });

  it('has a short id that is made of pipeline, source, partition, position and index', () => {
    const idOf = (
      partition: string,
      { pipeline = 'copy', source = 'source', position = 7, index = 0, positionAt = true },
    ) => {
      const batch = { messages: [], position, ...(positionAt ? { positionAt: () => position } : {}) };
      const segment = { batch, lease: { source: { id: source }, partition } } as unknown as Segment; // all that is looked at
      const error = new ConnectorError('message_invalid', 'bad');
      return deadLetterOf(
        { segment, index, error, attempts: 0, branch: undefined, isEarly: false },
        { name: pipeline, branches: [] },
        0,
      ).id;
    };
    const id = idOf('a', {});
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(idOf('a', {})).toBe(id);
    const others = [
      idOf('b', {}),
      idOf('a', { pipeline: 'other' }),
      idOf('a', { source: 'other' }),
      idOf('a', { position: 8 }),
      idOf('a', { index: 1, positionAt: false }),
    ];
    expect(new Set([id, ...others]).size).toBe(6);
  });

  it.each([true, false])(
    'comes from the same place after a crash before its checkpoint (positionAt: %s)',
    async (positionAt) => {
      here.produce('p', 'a', 'b', 'c');
      here.refuse('b');
      here.system.faults.next('store.save', crash());
      here.start({ source: { positionAt }, deadLetter: here.deadLetter() });
      await here.system.clock.run(() => !here.instance.alive);
      here.system.faults.stop();
      const second = here.system.instance('b');
      const sink = memoryConnector(here.system, second).sink({ destination: 'dead', payload: 'value' });
      await here.system.clock.settle(here.define({ source: { positionAt }, deadLetter: { sink } }, second).run());
      // A position of the memory system tells its lease, too, which is another one after the crash.
      const places = here
        .letters()
        .map(({ partition, position, index }) => [partition, placeOf(position)?.next, index]);
      expect(places).toHaveLength(2);
      expect(places[0]).toEqual(places[1]);
    },
  );

  it('tells the place in its batch where the source has no places for single messages', async () => {
    here.produce('p', 'a', 'b', 'c');
    here.refuse('b', 'c');
    await here.runWithLetters({ source: { positionAt: false } });
    expect(here.letters()).toMatchObject([
      { position: { next: 3 }, index: 1 },
      { position: { next: 3 }, index: 2 },
    ]);
  });
});
