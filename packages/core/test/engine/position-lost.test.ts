import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoredPosition } from '../../src/sink-driver.js';
import { expectNoViolations, keys, type World, world } from './world.js';

let here: World;
beforeEach(async () => {
  here = world();
  here.produce('p', ...keys('p', 3));
  await here.run();
  here.produce('p', ...keys('p', 3, 4));
});
afterEach(() => expectNoViolations(here));

/** Changes what the checkpoint store holds of partition p. */
async function change(fields: Partial<StoredPosition>): Promise<void> {
  const store = here.system.checkpointStore(here.instance);
  const claim = await here.system.clock.settle(store.claim('copy'));
  const stored = claim.checkpoint['source:p'];
  if (stored === undefined) throw new Error('nothing is stored');
  await here.system.clock.settle(claim.save({ ...claim.checkpoint, 'source:p': { ...stored, ...fields } }));
}

const causes: [string, () => Promise<void> | void, RegExp][] = [
  ['of another connector', () => change({ connector: 'kafka' }), /one of connector "kafka"/],
  ['of another version', () => change({ version: 2 }), /has version 2, and this connector reads version 1/],
  [
    'of another system',
    () => change({ identity: 'memory:other' }),
    /belongs to "memory:other", and this is "memory:in"/,
  ],
  [
    'of a system that was replaced',
    () => {
      here.system.stream('in').identity = 'memory:new';
    },
    /belongs to "memory:in", and this is "memory:new"/,
  ],
  ['behind what is still there', () => here.system.stream('in').discard('p', 5), /has nothing at 3 any more/],
  ['unreadable', () => change({ position: 'nonsense' }), /"nonsense" is not a position/],
];

describe('a stored position', () => {
  it('is where the next run goes on', async () => {
    await here.run();
    expect(here.stored()).toEqual(keys('p', 6));
  });

  it.each(causes)('%s stops the pipeline', async (_what, lose, reason) => {
    await lose();
    await expect(here.run()).rejects.toMatchObject({ code: 'position_lost', message: expect.stringMatching(reason) });
    expect(here.stored()).toEqual(keys('p', 3));
  });

  it.each(causes)('%s is given up for the earliest one where that is asked for', async (_what, lose, reason) => {
    await lose();
    await here.run({ onPositionLost: 'earliest' });
    const { start } = here.system.stream('in').log('p');
    expect(here.stored()).toEqual([...keys('p', 3), ...keys('p', 6 - start, start + 1)]);
    expect(here.events.find(({ type }) => type === 'notice')).toMatchObject({
      part: 'source',
      text: expect.stringMatching(reason),
    });
  });

  it.each(causes)('%s is given up for the latest one where that is asked for', async (_what, lose) => {
    await lose();
    const run = here.start({ onPositionLost: 'latest', source: { bounded: false } });
    await here.system.clock.advance(100);
    here.produce('p', 'new');
    await here.system.clock.run(() => here.stored().includes('new'));
    await run.stop();
    expect(here.stored()).toEqual([...keys('p', 3), 'new']);
    await here.run();
    expect(here.stored()).toEqual([...keys('p', 3), 'new']);
  });

  it('that an atomic sink keeps is checked as well', async () => {
    await here.run({ name: 'atomic', sink: { atomic: true } });
    here.system.stream('in').identity = 'memory:new';
    await expect(here.run({ name: 'atomic', sink: { atomic: true } })).rejects.toMatchObject({ code: 'position_lost' });
  });

  it('belongs to the pipeline of that name', async () => {
    await here.run({ name: 'other' });
    expect(here.stored()).toEqual([...keys('p', 3), ...keys('p', 6)]);
  });
});
