/**
 * The messages of the pgoutput plugin, version 1: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
 */
export type PgoutputMessage =
  | Begin
  | Commit
  | Relation
  | Insert
  | Update
  | Delete
  | Truncate
  | Unreadable
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

export interface Insert {
  readonly kind: 'insert';
  readonly relation: number;
  readonly row: Tuple;
}

/** The row before a change: its replica identity alone, in which every other column is null, or all of it. */
export interface OldRow {
  readonly kind: 'key' | 'full';
  readonly row: Tuple;
}

export interface Update {
  readonly kind: 'update';
  readonly relation: number;
  /** Left out by the server when the replica identity did not change and is not `full`. */
  readonly old: OldRow | undefined;
  readonly row: Tuple;
}

export interface Delete {
  readonly kind: 'delete';
  readonly relation: number;
  readonly old: OldRow;
}

export interface Truncate {
  readonly kind: 'truncate';
  readonly relations: readonly number[];
}

/** A message that is not what it says, or has a value that is longer than a text can be. */
export interface Unreadable {
  readonly kind: 'unreadable';
  readonly error: unknown;
}

/** Decodes one message that begins at an index of `bytes`. What it returns holds nothing of them. Never throws: it is called where nobody could catch it. */
export function decodePgoutput(bytes: Buffer, at = 0): PgoutputMessage {
  try {
    return decode(new Reader(bytes, at));
  } catch (error) {
    return { kind: 'unreadable', error };
  }
}

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
      return { kind: 'insert', relation: reader.unsigned(), row: reader.newTuple() };
    case 'U':
      return decodeUpdate(reader);
    case 'D':
      return { kind: 'delete', relation: reader.unsigned(), old: oldRow(reader, reader.letter()) };
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

function decodeUpdate(reader: Reader): Update {
  const relation = reader.unsigned();
  const mark = reader.letter();
  if (mark === 'N') return { kind: 'update', relation, old: undefined, row: reader.tuple() };
  return { kind: 'update', relation, old: oldRow(reader, mark), row: reader.newTuple() };
}

function oldRow(reader: Reader, mark: string): OldRow {
  return { kind: mark === 'K' ? 'key' : 'full', row: reader.tuple() };
}

function decodeTruncate(reader: Reader): Truncate {
  const count = reader.integer();
  reader.skip(1); // whether it cascades and restarts sequences
  return { kind: 'truncate', relations: Array.from({ length: count }, () => reader.unsigned()) };
}

const letterN = 0x6e;
const letterT = 0x74;

class Reader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
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
    const values = new Array<string | null | undefined>(count);
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
