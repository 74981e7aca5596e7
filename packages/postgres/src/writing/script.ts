import { quotedList } from '../identifier.js';
import type { CopyRows } from './copy-rows.js';
import type { Session } from './session.js';

/** Where a script is. */
export interface Progress {
  /** Rows that are being copied straight into their table, to know what it failed at; undefined while something else is done. */
  copying?: CopyRows | undefined;
  /** Called when the server has something to do and this process has not. */
  readonly onWaiting?: () => void;
}

/**
 * Statements that are done one after the other. Those around a COPY are sent with it, because a server that waits for each of them to
 * be sent does nothing meanwhile.
 */
export class Script {
  readonly session: Session;
  readonly #progress: Progress;
  #statements: string[] = [];
  #rows: CopyRows | undefined;
  #isStaged = false;

  constructor(session: Session, progress: Progress) {
    this.session = session;
    this.#progress = progress;
  }

  add(...statements: readonly string[]): void {
    this.#statements.push(...statements);
  }

  /** Copies rows straight into their table. */
  async copy(table: string, rows: CopyRows): Promise<void> {
    if (this.#rows !== undefined) await this.send();
    this.add(`COPY ${table} (${quotedList(rows.columns)}) FROM STDIN`);
    this.#rows = rows;
  }

  /**
   * Copies rows into a temporary table, and returns its name.
   *
   * @param place the last column of the rows, where the table has none of its name
   */
  async stage(table: string, rows: CopyRows, place?: string): Promise<string> {
    if (this.#rows !== undefined) await this.send();
    const columns = place === undefined ? rows.columns : rows.columns.slice(0, -1);
    const { name, statements } = this.session.stagingTable(table, columns, place);
    this.add(...statements);
    await this.copy(name, rows);
    this.#isStaged = true;
    return name;
  }

  /** Has everything done that was added. Rejects with the server's error. */
  async send(): Promise<void> {
    const [sql, rows, isStaged] = [this.#statements.join(';\n'), this.#rows, this.#isStaged];
    this.#statements = [];
    this.#rows = undefined;
    this.#isStaged = false;
    if (sql === '') return;
    if (!isStaged) this.#progress.copying = rows;
    if (rows === undefined) await this.session.run(sql, this.#progress.onWaiting);
    else await this.session.copy(sql, rows.chunks, this.#progress.onWaiting);
    this.#progress.copying = undefined;
  }
}
