import { describe, expect, it } from 'vitest';
import { memoryCheckpoints } from '../../src/checkpoint/memory-store.js';
import type { Checkpoint } from '../../src/sink-driver.js';

function at(position: number): Checkpoint {
  return { 'source:': { connector: 'generate', version: 1, identity: null, position } };
}

describe('the memory store', () => {
  it('is empty before the first save, and keeps pipelines apart', async () => {
    const store = memoryCheckpoints();
    const claim = await store.claim('a');
    expect(claim.checkpoint).toEqual({});
    await claim.save(at(1));
    expect(await store.load('a')).toEqual(at(1));
    expect(await store.load('b')).toEqual({});
  });

  it('lets a second claim take over, and refuses the older holder from then on', async () => {
    const store = memoryCheckpoints();
    const older = await store.claim('a');
    await older.save(at(1));
    const newer = await store.claim('a');
    expect(newer.checkpoint).toEqual(at(1));
    await expect(older.save(at(2))).rejects.toMatchObject({ code: 'fenced' });
    await older.release();
    await newer.save(at(3));
    expect(await store.load('a')).toEqual(at(3));
  });

  it('refuses a save after release or close, and can then be claimed again with what was saved', async () => {
    const store = memoryCheckpoints();
    const released = await store.claim('a');
    await released.save(at(1));
    await released.release();
    await released.release();
    await expect(released.save(at(2))).rejects.toMatchObject({ code: 'closed' });
    const open = await store.claim('a');
    await store.close();
    await store.close();
    await expect(open.save(at(2))).rejects.toMatchObject({ code: 'closed' });
    expect((await store.claim('a')).checkpoint).toEqual(at(1));
  });

  it('does not share what it stores', async () => {
    const store = memoryCheckpoints();
    const claim = await store.claim('a');
    const position = [1];
    await claim.save({ 'source:': { connector: 'generate', version: 1, identity: null, position } });
    position.push(2);
    expect(await store.load('a')).toMatchObject({ 'source:': { position: [1] } });
  });
});
