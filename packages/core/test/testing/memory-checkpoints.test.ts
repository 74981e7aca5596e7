import { beforeEach, describe, expect, it } from 'vitest';
import { crash, crashAfterEffect, failAfterEffect, type MemorySystem, memorySystem } from '../../src/testing/index.js';
import { checkpointAt, expectCode, pending } from './open-drivers.js';

let system: MemorySystem;
beforeEach(() => {
  system = memorySystem();
});

describe('the checkpoint store of a system', () => {
  it('gives the next claim what was saved', async () => {
    const claim = await system.checkpointStore(system.instance('a')).claim('copy');
    expect(claim.checkpoint).toEqual({});
    await claim.save(checkpointAt('p', 1));
    const next = await system.checkpointStore(system.instance('b')).claim('copy');
    expect(next.checkpoint).toEqual(checkpointAt('p', 1));
    expect(await system.checkpointStore(system.instance('c')).load('copy')).toEqual(checkpointAt('p', 1));
    expect(await system.checkpointStore(system.instance('c')).load('other')).toEqual({});
  });

  it('refuses to save under an older claim', async () => {
    const older = await system.checkpointStore(system.instance('a')).claim('copy');
    const newer = await system.checkpointStore(system.instance('b')).claim('copy');
    await expectCode(older.save(checkpointAt('p', 9)), 'fenced');
    await newer.save(checkpointAt('p', 1));
    expect(system.savedCheckpoint('copy')).toEqual(checkpointAt('p', 1));
  });

  it('refuses a second holder where it is exclusive, until the first releases or dies', async () => {
    const exclusive = { exclusive: true };
    const first = system.instance('a');
    const claim = await system.checkpointStore(first, exclusive).claim('copy');
    const store = system.checkpointStore(system.instance('b'), exclusive);
    await expectCode(store.claim('copy'), 'fenced');
    await claim.release();
    await store.claim('copy');
    const third = system.checkpointStore(system.instance('c'), exclusive);
    await expectCode(third.claim('copy'), 'fenced');
    await store.close();
    const second = system.instance('d');
    await system.checkpointStore(second, exclusive).claim('copy');
    second.crash();
    await third.claim('copy');
  });

  it('has or has not saved after a crash, as scripted, and after an error of unknown outcome', async () => {
    for (const [fault, partitions] of [
      [crash(), []],
      [crashAfterEffect(), ['p']],
      [failAfterEffect('timeout'), ['p']],
    ] as const) {
      system = memorySystem();
      const claim = await system.checkpointStore(system.instance('a')).claim('copy');
      system.faults.next('store.save', fault);
      const save = claim.save(checkpointAt('p', 1));
      if (fault.outcome === 'crash') expect(await pending(system, save)).toBe(true);
      else await expectCode(save, 'timeout');
      expect(Object.keys(system.savedCheckpoint('copy'))).toEqual(partitions);
    }
  });

  it('keeps what survives JSON', async () => {
    const claim = await system.checkpointStore(system.instance('a')).claim('copy');
    const position: Record<string, number> = { next: 1 };
    await claim.save({ p: { connector: 'memory', version: 1, identity: null, position } });
    position['next'] = 2;
    expect(system.savedCheckpoint('copy')).toMatchObject({ p: { position: { next: 1 } } });
  });
});
