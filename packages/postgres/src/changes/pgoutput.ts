import { ConnectorError } from '@sluice/core/driver';

/**
 * The messages of the pgoutput plugin, version 1: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
export type PgoutputMessage =
  | Begin
  | Commit
  | Relation
  | RowMessage
  | Truncate
  /** Origins, types and what newer servers may add: they carry no data of a table. */
  | { readonly kind: 'other' };

/** A committed transaction begins. */
export interface Begin {
  readonly kind: 'begin';
  /** Where its commit record begins in the log. */
  readonly commitLsn: bigint;
  /** Microseconds since 2000-01-01. */
  readonly commitTime: bigint;
  readonly transactionId: number;
}

/** A transaction ends. */
export interface Commit {
  readonly kind: 'commit';
  /** Just after its commit record. */
  readonly endLsn: bigint;
}

/** What a table looks like from here on. */
export interface Relation {
  readonly kind: 'relation';
  readonly id: number;
  readonly schema: string;
  readonly name: string;
  /** What an update or delete tells of the old row: `d`efault (primary key), `i`ndex, `f`ull, `n`othing. */
  readonly replicaIdentity: string;
  readonly columns: readonly RelationColumn[];
}

export interface RelationColumn {
  readonly name: string;
  readonly typeId: number;
  readonly typeModifier: number;
  /** Whether it belongs to the replica identity; with `f` all do. */
  readonly isKey: boolean;
}

/** The values of a row as text, by column. Null is NULL; undefined is a stored-away (TOAST) value that did not change. */
export type Tuple = readonly (string | null | undefined)[];

/** A row was inserted, updated or deleted. */
export interface RowMessage {
  readonly kind: 'row';
  readonly operation: 'create' | 'update' | 'delete';
  readonly relation: number;
  /** Always there with a delete. Of an update, left out by the server when the replica identity did not change and is not `full`. */
  readonly old: OldRow | undefined;
  /** The row as it is now; undefined only when it was deleted. */
  readonly row: Tuple | undefined;
  /** How long the message is. What it takes in memory is estimated from it. */
  readonly bytes: number;
}

/** The row before a change: its replica identity alone, in which every other column is null, or all of it. */
export interface OldRow {
  readonly kind: 'key' | 'full';
  readonly row: Tuple;
}

/** Tables were emptied. */
export interface Truncate {
  readonly kind: 'truncate';
  readonly relations: readonly number[];
  /** As of a {@link RowMessage}. */
  readonly bytes: number;
}

/**
 * Decodes one message. What it returns holds nothing of the bytes.
 *
 * @throws ConnectorError `unsupported` when it is not what it says, or has a value that is longer than a text can be
 */
export function decodePgoutput(bytes: Buffer): PgoutputMessage {
  try {
    return decode(new Reader(bytes));
  } catch (error) {
    throw unreadable(error);
  }
}

function unreadable(error: unknown): ConnectorError {
  const reason = error instanceof Error ? error.message : String(error);
  const text = `a change cannot be read (${reason}). A column whose values are texts of more than 512 MiB has to be left out of the publication`;
  return new ConnectorError('unsupported', text, { cause: error });
}

/**
 * What is made for each row is a copy, and a tuple is made without `new`: V8 watches literals and `new Array` by their place in the code.
 * When it collects garbage as the first rows of a long transaction come, all of them seem to live long, and it makes every later one in
 * its old generation, where each keeps the values of its row until all of the heap is collected (+120 MiB with 1,000,000 rows).
 */
const blankMessage: RowMessage = {
  kind: 'row',
  operation: 'create',
  relation: 0,
  old: undefined,
  row: undefined,
  bytes: 0,
};
const blankOld: OldRow = { kind: 'key', row: [] };

function decode(reader: Reader): PgoutputMessage {
  switch (reader.letter()) {
    case 'B':
      return { kind: 'begin', commitLsn: reader.long(), commitTime: reader.long(), transactionId: reader.unsigned() };
    case 'C':
      reader.skip(1 + 8); // flags, where the commit record begins
      return { kind: 'commit', endLsn: reader.long() };
    case 'R':
      return decodeRelation(reader);
    case 'I':
      return { ...blankMessage, relation: reader.unsigned(), row: reader.newTuple(), bytes: reader.length };
    case 'U':
      return decodeUpdate(reader);
    case 'D':
      return decodeDelete(reader);
    case 'T':
      return decodeTruncate(reader);
    default:
      return { kind: 'other' };
  }
}

function decodeRelation(reader: Reader): Relation {
  const id = reader.unsigned();
  const schema = reader.text() || 'pg_catalog'; // sent as an empty name
  const name = reader.text();
  const replicaIdentity = reader.letter();
  const columns = Array.from({ length: reader.short() }, () => {
    const isKey = (reader.byte() & 1) === 1;
    return { isKey, name: reader.text(), typeId: reader.unsigned(), typeModifier: reader.integer() };
  });
  return { kind: 'relation', id, schema, name, replicaIdentity, columns };
}

function decodeUpdate(reader: Reader): RowMessage {
  const relation = reader.unsigned();
  const mark = reader.letter();
  const old = mark === 'N' ? undefined : oldRow(reader, mark);
  const row = mark === 'N' ? reader.tuple() : reader.newTuple();
  return { ...blankMessage, operation: 'update', relation, old, row, bytes: reader.length };
}

function decodeDelete(reader: Reader): RowMessage {
  const relation = reader.unsigned();
  return { ...blankMessage, operation: 'delete', relation, old: oldRow(reader, reader.letter()), bytes: reader.length };
}

function oldRow(reader: Reader, mark: string): OldRow {
  return { ...blankOld, kind: mark === 'K' ? 'key' : 'full', row: reader.tuple() };
}

function decodeTruncate(reader: Reader): Truncate {
  const count = reader.integer();
  reader.skip(1); // whether it cascades and restarts sequences
  return { kind: 'truncate', bytes: reader.length, relations: Array.from({ length: count }, () => reader.unsigned()) };
}

const letterN = 0x6e;
const letterT = 0x74;

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Of the whole message. */
  get length(): number {
    return this.#bytes.length;
  }

  skip(count: number): void {
    this.#at += count;
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#at++);
  }

  letter(): string {
    return String.fromCharCode(this.byte());
  }

  short(): number {
    this.#at += 2;
    return this.#bytes.readUInt16BE(this.#at - 2);
  }

  integer(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  unsigned(): number {
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  long(): bigint {
    this.#at += 8;
    return this.#bytes.readBigUInt64BE(this.#at - 8);
  }

  /** Up to the next zero byte. */
  text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return text;
  }

  newTuple(): Tuple {
    this.skip(1); // the mark of a new row
    return this.tuple();
  }

  tuple(): Tuple {
    const count = this.short();
    // Without "new", for the reason that blankMessage gives.
    const values = Array<string | null | undefined>(count);
    for (let index = 0; index < count; index++) {
      const kind = this.byte();
      if (kind === letterT) {
        const length = this.integer();
        values[index] = this.#bytes.toString('utf8', this.#at, this.#at + length);
        this.#at += length;
      } else values[index] = kind === letterN ? null : undefined;
    }
    return values;
  }
}
