import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fail, keyText } from '../../src/testing/index.js';
import { filter, flatMap, map } from '../../src/transform.js';
import { type DeadLetterWorld, deadLetterWorld } from './dead-letter-world.js';
import { expectNoViolations, keys } from './world.js';

let here: DeadLetterWorld;
beforeEach(() => {
  here = deadLetterWorld();
});
afterEach(() => expectNoViolations(here));

describe('what becomes a dead letter', () => {
  it('is a message that cannot be decoded', async () => {
    here.produce('p', '1', 'not json', '2');
    const stats = await here.runWithLetters({ sink: { payload: 'value' } });
    expect(here.stored()).toEqual(['1', '2']);
    expect(here.deadKeys()).toEqual(['not json']);
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
    await here.runWithLetters({ transforms: [throwing as unknown as ReturnType<typeof step>] }); // one test for three kinds of function
    expect(here.stored()).toEqual(['a', 'c']);
    expect(here.letters()).toMatchObject([
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
    await here.runWithLetters({ transforms: [check] });
    expect(here.stored()).toEqual(['a', 'c']);
    expect(here.deadKeys()).toEqual(['bad', 'bad']);
  });

  it('is a message for which a transform returns something that is no message, by the name of the transform', async () => {
    here.produce('p', 'a', 'b');
    const first = map((message) => (message.key === 'a' ? ({ id: 1 } as never) : message));
    const second = { ...flatMap((message) => message as never), label: './split.ts' };
    await here.runWithLetters({ transforms: [first, second] });
    expect(here.letters().map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/^map could not handle the message: it returned something that is not a message; make /),
      './split.ts could not handle the message: it returned no array of messages',
    ]);
  });

  it('is a message that the driver could not make sense of', async () => {
    here.produceMessages(
      'p',
      { key: 'a' },
      { key: 'broken', payload: Buffer.from('raw'), failure: new Error('a broken row') },
      { key: 'c' },
    );
    const stats = await here.runWithLetters();
    expect(here.stored()).toEqual(['a', 'c']);
    expect(here.letters()).toMatchObject([{ reason: 'a broken row', message: { payload: { text: 'raw' } } }]);
    expect(stats).toMatchObject({ received: 3, written: 2, deadLettered: 1, filtered: 0 });
  });

  it('is a message that the sink names in a batch error, with the number of attempts', async () => {
    here.produce('p', ...keys('p', 5));
    here.refuse('p2', 'p4');
    here.system.faults.next('sink.write', fail('conflict'));
    await here.runWithLetters();
    expect(here.stored()).toEqual(['p1', 'p3', 'p5']);
    expect(here.letters()).toMatchObject([
      { sink: 'sink', code: 'message_invalid', attempts: 2 },
      { sink: 'sink', attempts: 2 },
    ]);
    expect(here.deadKeys()).toEqual(['p2', 'p4']);
  });

  it('is a message that the sink names, and an atomic sink has the others written again', async () => {
    here.produce('p', ...keys('p', 5));
    here.refuse('p2', 'p4');
    const stats = await here.runWithLetters({ sink: { atomic: true } });
    expect(here.stored()).toEqual(['p1', 'p3', 'p5']);
    expect(here.deadKeys()).toEqual(['p2', 'p4']);
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
      await here.runWithLetters({ sink });
      expect(here.stored()).toEqual(['p1', 'p2', 'p4', 'p5', 'p6']);
      expect(here.letters()).toMatchObject([{ code: 'message_too_large', sink: 'sink' }]);
      expect(here.deadKeys()).toEqual(['p3']);
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
    await here.runWithLetters();
    expect(here.stored()).toEqual(['p1', 'p3', 'p4', 'p5', 'p6']);
    expect(here.deadKeys()).toEqual(['p2']);
  });

  it('is a message one of whose outputs is refused, once, and its other outputs are written', async () => {
    here.produce('p', 'a', 'b');
    const three = flatMap((message) => keys(keyText(message), 3).map((key) => ({ ...message, key })));
    here.refuse('a2', 'b1', 'b3');
    const stats = await here.runWithLetters({ transforms: [three] });
    expect(here.stored()).toEqual(['a1', 'a3', 'b2']);
    expect(here.deadKeys()).toEqual(['a', 'b']);
    expect(stats.deadLettered).toBe(2);
  });

  it('does not hold up the position', async () => {
    here.produce('p', 'a', 'b');
    here.refuse('a', 'b');
    await here.runWithLetters();
    expect(here.system.savedCheckpoint('copy')).toMatchObject({ 'source:p': { position: { next: 2 } } });
  });

  it('is told as an event with its reason', async () => {
    here.produce('p', 'a');
    here.refuse('a');
    await here.runWithLetters();
    expect(here.events.filter(({ type }) => type === 'deadLetter')).toMatchObject([
      { part: 'sink', count: 1, dropped: false, error: { code: 'message_invalid' } },
    ]);
  });
});

/** What a step of this kind returns when it changes nothing. */
function pass(kind: 'map' | 'filter' | 'flatMap', message: unknown): unknown {
  if (kind === 'filter') return true;
  return kind === 'map' ? message : [message];
}
