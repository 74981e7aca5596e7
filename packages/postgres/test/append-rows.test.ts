import { createMessage, type Message, type MessageSchema, type Value } from '@sluice/core/driver';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AppendRows } from '../src/writing/append-rows.js';
import { textWriter } from '../src/writing/column-text.js';
import { RowReader } from '../src/writing/row-reader.js';
import type { TargetColumn, TargetTable } from '../src/writing/target-table.js';

const kinds = { id: 'plain', name: 'plain', at: 'time', data: 'json', raw: 'bytes' } as const;

const table: TargetTable = {
  name: '"rows"',
  columns: new Map(Object.entries(kinds).map(([name, kind]) => [name, columnOf(name, kind)])),
  generated: new Set(['computed']),
  primaryKey: [],
};

function columnOf(name: string, kind: (typeof kinds)[keyof typeof kinds]): TargetColumn {
  const toText = textWriter(kind, false);
  const jsonToText = textWriter(kind === 'json' ? 'json text' : kind, false);
  return {
    name,
    type: kind === 'json' ? 'jsonb' : 'text',
    nullable: true,
    hasDefault: name === 'id',
    isFixed: false,
    toText,
    jsonToText,
    isCanonical: () => true,
  };
}

const schema: MessageSchema = { name: 'rows', fields: [{ name: 'data', type: 'jsonb', nullable: true }], key: [] };

const usual = { id: 1, name: 'one', at: new Date(0), data: 'text', raw: null };

/** Payloads of which at least one thing is unlike in the usual one. */
const others: readonly Value[] = [
  { ...usual, id: -0, name: '' },
  { ...usual, id: 'one', name: 1 },
  { ...usual, id: null, name: null, data: null },
  { ...usual, name: 'a\tb' },
  { ...usual, name: 'a\nb' },
  { ...usual, name: '\\N' },
  { ...usual, name: 'half \ud800' },
  { ...usual, at: new Date(Number.NaN) },
  { ...usual, at: 1.5 },
  { ...usual, data: { text: '"' } },
  { ...usual, raw: Buffer.from('bytes') },
  { ...usual, raw: 1234 },
  { id: 1, name: 'one', at: null, data: null },
  { id: 1, name: 'one', at: null, raw: 'raw', data: 'data' },
  { ...usual, computed: 7 },
  { ...usual, unknown: 7 },
  {},
  Object.assign(Object.create({ raw: 'inherited' }) as object, { id: 1, name: 'one', at: null, data: null }),
  [1, 2, 3, 4, 5],
  'text',
  null,
];

const mapping = { id: 'key', name: 'payload.name', at: 'timestamp', data: 'payload' };

/** What is written of messages, and which are refused. */
function written(
  messages: readonly Message[],
  areTakenTogether: boolean,
  columns?: Readonly<Record<string, string>>,
): unknown {
  const refused = new Set<number>();
  const reader = new RowReader(columns);
  const rows = new AppendRows(table, (index) => refused.add(index), reader.readers);
  const indexes = messages.map((_, at) => at + 5);
  for (let at = 0; at < messages.length; at++) {
    try {
      rows.add(reader.read(messages[at] as Message), at + 5); // at is below length
      if (areTakenTogether) at = rows.addAlike({ messages, indexes }, at);
    } catch {
      refused.add(at + 5);
    }
  }
  const steps = rows.steps().map(({ rows: { columns, chunks, origins } }) => ({
    columns,
    origins,
    text: Buffer.concat(chunks).toString(),
  }));
  return { steps, refused: [...refused].sort((a, b) => a - b) };
}

test('rows that are written together are the same as one by one', () => {
  const message = fc
    .record({
      key: fc.oneof(fc.constant(1), fc.constantFrom('a\tb', null)),
      payload: fc.oneof(fc.constant(usual), fc.constantFrom(...others)),
      timestamp: fc.constantFrom(0, 1.7e12, undefined),
      schema: fc.option(fc.constant(schema), { nil: undefined }),
    })
    .map((fields) => createMessage(fields));
  fc.assert(
    fc.property(fc.array(message, { maxLength: 30 }), (messages) => {
      expect(written(messages, true)).toEqual(written(messages, false));
      expect(written(messages, true, mapping)).toEqual(written(messages, false, mapping));
    }),
  );
});

test.each(others)('a row between others is written as by itself: %j', (payload) => {
  const payloads = [usual, usual, payload, usual, payload, payload, usual];
  for (const of of [undefined, schema]) {
    const messages = payloads.map((each, at) => createMessage({ payload: each, schema: at === 1 ? of : undefined }));
    expect(written(messages, true)).toEqual(written(messages, false));
    expect(written(messages, true, mapping)).toEqual(written(messages, false, mapping));
  }
});

test('rows of many chunks are the same as one by one, with a text that needs an escape among the last', () => {
  const messages = Array.from({ length: 5000 }, (_, id) =>
    createMessage({ payload: { id, name: id === 4000 ? 'a\tb' : `é${'x'.repeat(40)}` } }),
  );
  expect(written(messages, true)).toEqual(written(messages, false));
});
