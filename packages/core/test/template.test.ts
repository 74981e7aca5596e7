import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMessage } from '../src/message.js';
import { parseTemplate, TemplateText } from '../src/template.js';

const message = createMessage({
  topic: 'orders',
  key: Buffer.from('ké'),
  payload: {
    id: 7n,
    customer: { name: 'Ada' },
    items: [{ sku: 'x1' }],
    note: null,
    at: new Date(0),
    raw: Buffer.from('hi'),
  },
  headers: [
    ['content-type', 'text/plain'],
    ['a.b', 1],
    ['content-type', Buffer.from('application/json')],
  ],
  timestamp: Date.UTC(2024, 0, 5, 3, 4, 9, 7),
});
const render = (text: string, fields: Partial<typeof message> = {}): string =>
  parseTemplate(text).render({ ...message, ...fields });

describe('a template', () => {
  it.each([
    ['plain text', 'plain text'],
    ['', ''],
    ['{topic}', 'orders'],
    ['{key}', 'ké'],
    ['{headers.content-type}', 'application/json'],
    ['{headers.a.b}', '1'],
    ['{payload.id}/{payload.customer.name}', '7/Ada'],
    ['{payload.items.0.sku}', 'x1'],
    ['{payload.at}', '1970-01-01T00:00:00.000Z'],
    ['{payload.raw}', 'hi'],
    ['{timestamp}', '1704423849007'],
    ['{timestamp:yyyy-MM-dd}', '2024-01-05'],
    ['{timestamp:yyyyMMdd/HH}', '20240105/03'],
    ['{timestamp:yyyy-MM-ddTHH:mm:ss.SSSZ}', '2024-01-05T03:04:09.007Z'],
    ['{{{topic}}}', '{orders}'],
    ['a}}b{{c', 'a}b{c'],
    ['{topic}-{topic}', 'orders-orders'],
  ])('renders %j as %j', (text, expected) => {
    expect(render(text)).toBe(expected);
  });

  it('takes fields of a key that has some', () => {
    expect(render('{key.id}', { key: { id: 5 } })).toBe('5');
  });

  it('writes any time as its ISO 8601 form in UTC', () => {
    const template = parseTemplate('{timestamp:yyyy-MM-ddTHH:mm:ss.SSSZ}');
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }), (date) => {
        expect(template.render({ ...message, timestamp: date.getTime() })).toBe(date.toISOString());
      }),
    );
  });

  it('renders any text with doubled braces as the text itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('{', '}', 'a', '.', ':', 'é') }), (text) => {
        expect(render(text.replaceAll('{', '{{').replaceAll('}', '}}'))).toBe(text);
      }),
    );
  });

  it('tells which fields it takes', () => {
    expect(parseTemplate('{topic}/{payload.a}/{payload.b}/{timestamp:yyyy}').fields).toEqual([
      'topic',
      'payload',
      'timestamp',
    ]);
    expect(parseTemplate('constant').fields).toEqual([]);
  });
});

describe('a template that is not valid', () => {
  it.each([
    [
      'x{foo}',
      'at character 2: {foo} is not a field; use {topic}, {key}, {headers.name}, {payload.path}, {timestamp:yyyy-MM-dd}',
    ],
    ['{}', 'at character 1: {} is not a field'],
    ['{ topic }', 'is not a field'],
    ['{topic.x}', 'is not a field'],
    ['{topic:x}', 'is not a field'],
    ['{payload}', 'is not a field'],
    ['{headers}', 'is not a field'],
    ['{headers.}', 'the name of the header is missing'],
    ['{payload.}', 'a name in the path is missing'],
    ['{payload.a..b}', 'a name in the path is missing'],
    ['{constructor}', 'is not a field'],
    ['a{topic', 'at character 2: "{" stands alone; write "{{"'],
    ['topic}', 'at character 6: "}" stands alone; write "}}"'],
    ['{a{topic}', 'at character 1: "{" stands alone'],
    ['{timestamp:}', '"" is not a pattern: it has none of yyyy, MM, dd, HH, mm, ss, SSS'],
    ['{timestamp:YYYY-MM-DD}', '"YYYY" is not one of yyyy, MM, dd, HH, mm, ss, SSS'],
    ['{timestamp:yyyy-M}', '"M" is not one of'],
    ['{timestamp:--}', 'it has none of'],
  ])('is refused when it is read: %j', (text, reason) => {
    expect(() => parseTemplate(text)).toThrow(
      expect.objectContaining({ code: 'config_invalid', message: expect.stringContaining(reason) }),
    );
    expect(() => parseTemplate(text)).toThrow(`template ${JSON.stringify(text)}`);
  });

  it('is a problem of the config that holds it', () => {
    expect(TemplateText.parse('{topic}')).toBe('{topic}');
    expect(TemplateText.safeParse('{foo}').error?.issues[0]?.message).toContain('{foo} is not a field');
  });
});

describe('a message that lacks what a template takes', () => {
  it.each([
    ['{topic}', { topic: undefined }, '{topic} could not be filled in: the message does not have it'],
    ['{key}', { key: null }, '{key} could not be filled in'],
    ['{key}', { key: Uint8Array.of(0xff) }, '{key} could not be filled in: byte 0 is not UTF-8'],
    ['{key}', { key: { id: 1 } }, 'it is an object; name a field of it'],
    ['{headers.x}', {}, '{headers.x} could not be filled in'],
    ['{payload.missing.name}', {}, '{payload.missing.name} could not be filled in'],
    ['{payload.note}', {}, '{payload.note} could not be filled in'],
    ['{payload.constructor}', {}, '{payload.constructor} could not be filled in'],
    ['{payload.items}', {}, 'it is an array'],
    ['{payload.id}', { payload: Buffer.from('{"id":1}') }, 'the payload is bytes; set a codec'],
    ['{payload.id}', { payload: null }, '{payload.id} could not be filled in'],
    ['{timestamp}', { timestamp: undefined }, '{timestamp} could not be filled in'],
    ['{timestamp:yyyy}', { timestamp: undefined }, '{timestamp:yyyy} could not be filled in'],
    ['{timestamp:yyyy}', { timestamp: 1e300 }, 'is not a time'],
  ])('is invalid: %s', (text, fields, reason) => {
    expect(() => render(text, fields)).toThrow(
      expect.objectContaining({ code: 'message_invalid', message: expect.stringContaining(reason) }),
    );
  });
});
