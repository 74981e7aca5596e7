import { describe, expect, it } from 'vitest';
import { decodePgoutput } from '../src/changes/pgoutput.js';
import { columns, int16, int32, int64, join, tuple, zeroEnded } from './pgoutput-bytes.js';

describe('decodePgoutput', () => {
  it('reads where a transaction begins and ends', () => {
    expect(decodePgoutput(join('B', int64(0x1_0000_0020n), int64(5n), int32(700)))).toEqual({
      kind: 'begin',
      commitLsn: 0x1_0000_0020n,
      commitTime: 5n,
      transactionId: 700,
    });
    expect(decodePgoutput(join('C', [0], int64(1n), int64(0xffff_ffff_ffff_ffffn), int64(5n)))).toEqual({
      kind: 'commit',
      endLsn: 0xffff_ffff_ffff_ffffn,
    });
  });

  it('reads ids above 2^31 as what they are', () => {
    const id = 0xffff_fff0;
    expect(decodePgoutput(join('B', int64(1n), int64(1n), int32(id)))).toMatchObject({ transactionId: id });
    expect(decodePgoutput(join('I', int32(id), 'N', tuple()))).toMatchObject({ relation: id });
  });

  it('reads a table: its name in any script, its replica identity, its columns', () => {
    const bytes = join(
      ...['R', int32(16_400), zeroEnded('my "schema"'), zeroEnded('Größe'), 'f'],
      columns(['id', 23, -1, 1], ['zähler', 1700, 655_366, 0]),
    );
    expect(decodePgoutput(bytes)).toEqual({
      kind: 'relation',
      id: 16_400,
      schema: 'my "schema"',
      name: 'Größe',
      replicaIdentity: 'f',
      columns: [
        { name: 'id', typeId: 23, typeModifier: -1, isKey: true },
        { name: 'zähler', typeId: 1700, typeModifier: 655_366, isKey: false },
      ],
    });
  });

  it('calls the schema that is sent without a name pg_catalog', () => {
    const bytes = join('R', int32(1), zeroEnded(''), zeroEnded('pg_class'), 'n', columns());
    expect(decodePgoutput(bytes)).toMatchObject({ schema: 'pg_catalog', name: 'pg_class' });
  });

  it('tells a value, an empty one, NULL and an unchanged stored-away one apart', () => {
    const bytes = join('I', int32(1), 'N', tuple('ä', '', null, undefined));
    expect(decodePgoutput(bytes)).toEqual({
      kind: 'row',
      operation: 'create',
      relation: 1,
      old: undefined,
      row: ['ä', '', null, undefined],
      bytes: bytes.length,
    });
  });

  it('reads an update without an old row, with its key, and with all of it', () => {
    const bytes = join('U', int32(1), 'N', tuple('2', 'b'));
    expect(decodePgoutput(bytes)).toEqual({
      kind: 'row',
      operation: 'update',
      relation: 1,
      old: undefined,
      row: ['2', 'b'],
      bytes: bytes.length,
    });
    expect(decodePgoutput(join('U', int32(1), 'K', tuple('1', null), 'N', tuple('2', 'b')))).toMatchObject({
      old: { kind: 'key', row: ['1', null] },
      row: ['2', 'b'],
    });
    expect(decodePgoutput(join('U', int32(1), 'O', tuple('1', 'a'), 'N', tuple('2', 'b')))).toMatchObject({
      old: { kind: 'full', row: ['1', 'a'] },
      row: ['2', 'b'],
    });
  });

  it('reads a delete with the key and with all of the row', () => {
    const bytes = join('D', int32(1), 'K', tuple('1', null));
    expect(decodePgoutput(bytes)).toEqual({
      kind: 'row',
      operation: 'delete',
      relation: 1,
      old: { kind: 'key', row: ['1', null] },
      row: undefined,
      bytes: bytes.length,
    });
    expect(decodePgoutput(join('D', int32(1), 'O', tuple('1', 'a')))).toMatchObject({ old: { kind: 'full' } });
  });

  it('reads the tables of a truncate in their order', () => {
    const bytes = join('T', int32(2), [3], int32(9), int32(8));
    expect(decodePgoutput(bytes)).toEqual({ kind: 'truncate', relations: [9, 8], bytes: bytes.length });
  });

  it('leaves out what holds no data of a table', () => {
    for (const letter of ['O', 'Y', 'M', '?'])
      expect(decodePgoutput(join(letter, int16(1)))).toEqual({ kind: 'other' });
  });

  it('refuses what it cannot read, and says why', () => {
    const tooShort = join('I', int32(1), 'N', int16(2));
    expect(() => decodePgoutput(tooShort)).toThrow(
      expect.objectContaining({
        code: 'unsupported',
        message: expect.stringContaining('out of range'),
        cause: expect.any(RangeError),
      }),
    );
  });

  it('holds nothing of the bytes', () => {
    const bytes = join('I', int32(1), 'N', tuple('before'));
    const decoded = decodePgoutput(bytes);
    bytes.fill(0);
    expect(decoded).toMatchObject({ row: ['before'] });
  });
});
