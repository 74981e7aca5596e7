import { describe, expect, it } from 'vitest';
import { checkSlot, missingSlot, type SlotState, startIn } from '../src/changes/replication-slot.js';

const slot: SlotState = {
  name: 'shop',
  plugin: 'pgoutput',
  database: 'app',
  activePid: undefined,
  lostBecause: undefined,
  confirmedLsn: 100n,
  retainedBytes: 0,
  serverLsn: 200n,
  isStandby: false,
  currentDatabase: 'app',
};
const anywhere = { position: undefined, start: undefined };

describe('startIn', () => {
  it('begins where the slot stands when no position is known, and after everything on demand', () => {
    expect(startIn(slot, anywhere)).toEqual({ lsn: 100n, rows: 0 });
    expect(startIn(slot, { position: undefined, start: 'earliest' })).toEqual({ lsn: 100n, rows: 0 });
    expect(startIn(slot, { position: undefined, start: 'latest' })).toEqual({ lsn: 200n, rows: 0 });
  });

  it('goes on at a position that the slot has', () => {
    for (const lsn of [100n, 150n, 200n])
      expect(startIn(slot, { position: { lsn, rows: 3 }, start: undefined })).toEqual({ lsn, rows: 3 });
  });

  it('refuses a position before the slot, and one behind the end of the log', () => {
    for (const lsn of [99n, 201n]) {
      const begin = (): unknown => startIn(slot, { position: { lsn, rows: 0 }, start: undefined });
      expect(begin).toThrow(expect.objectContaining({ code: 'position_lost' }));
    }
  });

  it('tries again where a standby has not come to the position yet', () => {
    const begin = (): unknown =>
      startIn({ ...slot, isStandby: true }, { position: { lsn: 201n, rows: 0 }, start: undefined });
    expect(begin).toThrow(expect.objectContaining({ code: 'not_connected' }));
  });

  it('refuses a slot that the server has given up, also when a position need not be kept', () => {
    const lost = { ...slot, lostBecause: 'wal_removed' };
    expect(() => startIn(lost, anywhere)).toThrow(expect.objectContaining({ code: 'position_lost' }));
    const told = { position: undefined, start: 'earliest' } as const;
    expect(() => startIn(lost, told)).toThrow(/wal_removed.*teardown/);
  });
});

describe('checkSlot', () => {
  it('refuses the slot of another plugin, of physical replication, and of another database', () => {
    expect(() => checkSlot(slot)).not.toThrow();
    expect(() => checkSlot({ ...slot, plugin: 'test_decoding' })).toThrow(
      /"shop" is one of the plugin "test_decoding"/,
    );
    expect(() => checkSlot({ ...slot, plugin: undefined })).toThrow(/physical/);
    expect(() => checkSlot({ ...slot, database: 'other' })).toThrow(/belongs to the database "other"/);
  });
});

describe('missingSlot', () => {
  it('is a gap only if something was read before', () => {
    expect(missingSlot('shop', undefined).code).toBe('not_found');
    expect(missingSlot('shop', { lsn: 1n, rows: 0 }).code).toBe('position_lost');
  });
});
