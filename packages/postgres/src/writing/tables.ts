import { ConnectorError, type Message, type MessageSchema, parseTemplate, type Template } from '@sluice/core/driver';
import { quoted, quotedList, quotedTable } from '../identifier.js';
import type { PostgresSinkSettings } from '../sink-config.js';
import { AppendRows, type AppendStep } from './append-rows.js';
import type { Refuse } from './copy-rows.js';
import { type ChangeStep, RowChanges } from './row-changes.js';
import { type Row, RowReader } from './row-reader.js';
import type { Session } from './session.js';
import { missingColumns } from './shape-columns.js';
import { type ColumnTypes, typeOfField, typeOfValue, widened } from './table-types.js';
import { findTable, type TargetTable } from './target-table.js';

/** What is done to one table. */
export interface TablePlan {
  readonly table: TargetTable;
  readonly key: readonly string[];
  readonly steps: readonly (AppendStep | ChangeStep)[];
  /** Whether changes come again after a crash, because their position is not stored with the rows. */
  readonly mayRepeat: boolean;
}

/** What a write does, and which of its messages it cannot do. */
export interface WritePlan {
  readonly tables: readonly TablePlan[];
  readonly refused: readonly { readonly index: number; readonly error: unknown }[];
}

/** Messages of a batch. */
export interface Messages {
  readonly messages: readonly Message[];
  /** For each message, its index in the batch. */
  readonly indexes: readonly number[];
}

/** Finds the tables of messages, makes and extends them, and plans what is written. */
export class Tables {
  readonly #config: PostgresSinkSettings;
  readonly #notice: (text: string) => void;
  readonly #template: Template;
  readonly #reader: RowReader;
  readonly #names = new Map<string, string>();
  readonly #known = new Map<string, TargetTable>();

  constructor(config: PostgresSinkSettings, notice: (text: string) => void) {
    this.#config = config;
    this.#notice = notice;
    this.#template = parseTemplate(config.table);
    this.#reader = new RowReader(config.columns);
  }

  /** What was made may have been undone. */
  forget(): void {
    this.#known.clear();
  }

  /** The plan for messages; undefined when something has to be learnt first. */
  plan(messages: Messages): WritePlan | undefined {
    const refused: { index: number; error: unknown }[] = [];
    const refuse: Refuse = (index, error) => {
      if (!(error instanceof ConnectorError) && !(error instanceof RangeError)) throw error;
      if (!refused.some((each) => each.index === index)) refused.push({ index, error });
    };
    const tables: TablePlan[] = [];
    for (const [name, its] of this.#byTable(messages, refuse)) {
      const table = this.#known.get(name);
      if (table === undefined) return undefined;
      const plan =
        this.#config.mode === 'append' ? this.#append(table, its, refuse) : this.#changes(table, its, refuse);
      if (plan === undefined) return undefined;
      tables.push(plan);
    }
    return { tables, refused: refused.sort((a, b) => a.index - b.index) };
  }

  /** Looks tables up, makes them and adds columns, inside the transaction that is open. */
  async learn(session: Session, messages: Messages): Promise<void> {
    for (const [name, its] of this.#byTable(messages, () => undefined)) {
      let table = this.#known.get(name) ?? (await findTable(session.client, name));
      table ??= await this.#create(session, name, its);
      if (this.#evolves) table = await this.#evolve(session, table, its);
      this.#known.set(name, table);
    }
  }

  #byTable(all: Messages, refuse: Refuse): ReadonlyMap<string, Messages> {
    if (this.#template.fields.length === 0) return new Map([[quotedTable(this.#config.table), all]]);
    const tables = new Map<string, { messages: Message[]; indexes: number[] }>();
    for (const [at, message] of all.messages.entries()) {
      const index = all.indexes[at] ?? at;
      try {
        const text = this.#template.render(message);
        const name = this.#names.get(text) ?? quotedTable(text);
        this.#names.set(text, name);
        const its = tables.get(name) ?? { messages: [], indexes: [] };
        tables.set(name, its);
        its.messages.push(message);
        its.indexes.push(index);
      } catch (error) {
        refuse(index, error);
      }
    }
    return tables;
  }

  #append(table: TargetTable, all: Messages, refuse: Refuse): TablePlan | undefined {
    const { messages, indexes } = all;
    const rows = new AppendRows(table, refuse, this.#reader.readers);
    for (let at = 0; at < messages.length; at++) {
      const [message, index] = [messages[at], indexes[at]];
      if (message === undefined || index === undefined) continue;
      try {
        const row = this.#reader.read(message);
        if (this.#mustEvolve(table, row)) return undefined;
        rows.add(row, index);
        at = rows.addAlike(all, at);
      } catch (error) {
        refuse(index, error);
      }
    }
    return { table, key: [], steps: rows.steps(), mayRepeat: !this.#config.atomic };
  }

  #changes(table: TargetTable, { messages, indexes }: Messages, refuse: Refuse): TablePlan | undefined {
    const key = this.#keyOf(table);
    const changes = new RowChanges({ table, key, mode: this.#config.mode, reader: this.#reader, refuse });
    for (const [at, message] of messages.entries()) {
      const index = indexes[at] ?? at;
      try {
        if (this.#evolves && message.payload !== null && this.#mustEvolve(table, this.#reader.read(message)))
          return undefined;
        changes.add(message, index);
      } catch (error) {
        refuse(index, error);
      }
    }
    return { table, key, steps: changes.steps(), mayRepeat: !this.#config.atomic };
  }

  #mustEvolve(table: TargetTable, { shape }: Row): boolean {
    return this.#evolves && missingColumns(table, shape).length > 0;
  }

  get #evolves(): boolean {
    return this.#config.evolve === 'add-columns';
  }

  #keyOf(table: TargetTable): readonly string[] {
    const key = this.#config.key ?? table.primaryKey;
    const missing = key.find((name) => !table.columns.has(name));
    if (key.length > 0 && missing === undefined) return key;
    const why = missing === undefined ? 'has no primary key. Set key' : `has no column "${missing}", which key names`;
    throw new ConnectorError('config_invalid', `mode ${this.#config.mode} needs a key: table ${table.name} ${why}`);
  }

  async #create(session: Session, name: string, { messages }: Messages): Promise<TargetTable> {
    if (!this.#config.create) {
      throw new ConnectorError(
        'not_found',
        `table ${name} does not exist. Create it, set create: true, or check search_path`,
      );
    }
    const types = await this.#columnTypes(session, messages, () => true);
    if (types.size === 0)
      throw new ConnectorError('message_invalid', `table ${name} cannot be made: no message has columns`);
    const key = this.#keyToMake(types, messages[0]?.schema);
    if (key.length === 0 && this.#config.mode !== 'append')
      throw new ConnectorError('config_invalid', `table ${name} cannot be made without a key. Set key`);
    const columns = [...types].map(([column, type]) => `${quoted(column)} ${type ?? 'text'}`);
    if (key.length > 0) columns.push(`PRIMARY KEY (${quotedList(key)})`);
    // Another connection may be about to make it, too.
    await session.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`sluice ${name}`]);
    await session.run(`CREATE TABLE IF NOT EXISTS ${name} (${columns.join(', ')})`);
    this.#notice(`made table ${name} (${columns.join(', ')})`);
    return await this.#found(session, name);
  }

  #keyToMake(types: ColumnTypes, schema: MessageSchema | undefined): readonly string[] {
    if (this.#config.mode === 'append') return [];
    return this.#config.key ?? schema?.key.filter((name) => types.has(name)) ?? [];
  }

  async #evolve(session: Session, table: TargetTable, { messages }: Messages): Promise<TargetTable> {
    const isNew = (name: string): boolean => !table.columns.has(name) && !table.generated.has(name);
    const types = await this.#columnTypes(session, messages, isNew);
    if (types.size === 0) return table;
    const columns = [...types].map(([column, type]) => `ADD COLUMN IF NOT EXISTS ${quoted(column)} ${type ?? 'text'}`);
    await session.run(`ALTER TABLE ${table.name} ${columns.join(', ')}`);
    this.#notice(`changed table ${table.name}: ${columns.join(', ')}`);
    session.forget();
    return await this.#found(session, table.name);
  }

  async #columnTypes(
    session: Session,
    messages: readonly Message[],
    isWanted: (name: string) => boolean,
  ): Promise<ColumnTypes> {
    const types: ColumnTypes = new Map();
    const fromSchema = new Map<string, string | undefined>();
    for (const message of messages) {
      if (message.payload === null) continue;
      const row = this.#rowOf(message);
      for (const [at, column] of (row?.shape.columns ?? []).entries()) {
        if (!isWanted(column)) continue;
        const { schema } = message;
        const field = this.#reader.fieldOf(column);
        if (schema !== undefined && field !== undefined && !fromSchema.has(column))
          fromSchema.set(column, await typeOfField(session, schema, field));
        const told = fromSchema.get(column) ?? this.#typeOfWhole(column);
        types.set(column, told ?? widened(types.get(column), typeOfValue(row?.values[at] ?? null)));
      }
    }
    return types;
  }

  #rowOf(message: Message): Row | undefined {
    try {
      return this.#reader.read(message);
    } catch (error) {
      if (error instanceof ConnectorError) return undefined; // The plan refuses it.
      throw error;
    }
  }

  /** The type for a part of the message that is not a field of its payload, where the values do not decide. */
  #typeOfWhole(column: string): string | undefined {
    const path = this.#config.columns?.[column];
    if (path === 'payload' || path === 'headers') return 'jsonb';
    return path === 'timestamp' ? 'timestamp with time zone' : undefined;
  }

  async #found(session: Session, name: string): Promise<TargetTable> {
    const table = await findTable(session.client, name);
    if (table === undefined) throw new ConnectorError('internal', `table ${name} was made and cannot be found`);
    return table;
  }
}
