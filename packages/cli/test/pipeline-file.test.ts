import { describe, expect, test } from 'vitest';
import { mergeTrees } from '../src/pipeline-file/merge.js';
import { readJson } from '../src/pipeline-file/read-json.js';
import { readToml } from '../src/pipeline-file/read-toml.js';
import { readYaml } from '../src/pipeline-file/read-yaml.js';
import { placeOf } from '../src/pipeline-file/tree.js';

describe('reading', () => {
  test('places the keys of YAML', () => {
    const tree = readYaml('name: x\nsource:\n  config: { port: 1 }\n', 'p.yaml');
    expect(placeOf(tree, ['source', 'config', 'port'])).toEqual({ file: 'p.yaml', line: 3, column: 13 });
    expect(placeOf(tree, ['source', 'config', 'unknown'])).toEqual({ file: 'p.yaml', line: 3, column: 3 });
  });

  test('reads JSON with tabs and escapes, and places its keys', () => {
    const tree = readJson('{\n\t"a": "\\ud83d\\ude00 \\/",\n\t"b": [1, 2.5, null]\n}', 'p.json');
    expect(tree.value).toEqual({ a: '😀 /', b: [1, 2.5, null] });
    expect(placeOf(tree, ['b', 1])).toEqual({ file: 'p.json', line: 3, column: 11 });
    expect(readJson('\uFEFF{"a": 1}', 'p.json').value).toEqual({ a: 1 });
  });

  test.each([
    ['{\n  "a": 1 // why\n}', '2:10: this is not JSON: invalid comment token'],
    ['{\n  "a": 1,\n}', '3:1: this is not JSON: property name expected'],
    ['{ "a": [1,] }', '1:11: this is not JSON: value expected'],
    ["{ 'a': 1 }", '1:3: this is not JSON: invalid symbol'],
    ['a: 1', '1:1: this is not JSON: invalid symbol'],
    ['{ "a": "1\n2" }', '1:8: this is not JSON: unexpected end of string'],
    ['{ "a": 1, "a": 2 }', '1:11: Map keys must be unique'],
  ])('says in one line where %j is no JSON', (text, expected) => {
    expect(() => readJson(text, 'p.json')).toThrow(`p.json:${expected}`);
    expect(() => readJson(text, 'p.json')).not.toThrow('\n');
  });

  test.each([
    ['a: [1', /^p\.yaml:1:\d+: /],
    ['a: 1\na: 2', /^p\.yaml:2:1: Map keys must be unique/],
    ['a: &here 1\nb: *here\nc:\n  - *nowhere\nd: *here', /^p\.yaml:4:5: .*nowhere/],
    [
      `a: &a [${'x, '.repeat(50)}]\nb: &b [${'*a, '.repeat(50)}]\nc: [${'*b, '.repeat(50)}]`,
      /^p\.yaml:3:\d+: .*alias/i,
    ],
    ['a: !!what 1', /^p\.yaml:1:4: Unresolved tag/],
    ['a: { b: ${X} }', /put "\$\{VAR\}" in quotes$/],
    ['a: 1\n---\nb: 1', /^p\.yaml:2:1: a pipeline file holds one document/],
  ])('says in one line where %j is malformed', (text, expected) => {
    expect(() => readYaml(text, 'p.yaml')).toThrow(expected);
  });

  test('places the keys of TOML: tables, dotted and quoted keys, inline tables and arrays', () => {
    const tree = readToml(
      'name = "x"\ntransforms = ["a",\n  "b"]\n[source]\nconfig.port = 1\n"codec" = "json"\n[sink.config]\nrotate = { maxBytes = 1 }\n',
      'p.toml',
    );
    expect(tree.value).toEqual({
      name: 'x',
      transforms: ['a', 'b'],
      source: { config: { port: 1 }, codec: 'json' },
      sink: { config: { rotate: { maxBytes: 1 } } },
    });
    expect(placeOf(tree, ['source', 'config', 'port'])).toEqual({ file: 'p.toml', line: 5, column: 8 });
    expect(placeOf(tree, ['source', 'codec'])).toMatchObject({ line: 6, column: 1 });
    expect(placeOf(tree, ['sink', 'config', 'rotate', 'maxBytes'])).toMatchObject({ line: 8, column: 12 });
    expect(placeOf(tree, ['transforms', 1])).toMatchObject({ line: 3, column: 3 });
    expect(placeOf(tree, ['sink', 'codec'])).toMatchObject({ line: 7, column: 1 });
  });

  test('says where TOML is malformed', () => {
    expect(() => readToml('a = 1\nb = = 2\n', 'p.toml')).toThrow(/^p\.toml:2:5: Invalid TOML document: invalid value$/);
  });
});

describe('merging', () => {
  const under = readYaml('name: a\nsource: { connector: x, config: { list: [1, 2], port: 1 } }', 'one.yaml');
  const over = readYaml('source: { config: { list: [3], host: h } }\nsink: { connector: y }', 'two.yaml');
  const merged = mergeTrees(under, over);

  test('joins maps key by key and replaces lists', () => {
    expect(merged.value).toEqual({
      name: 'a',
      source: { connector: 'x', config: { list: [3], port: 1, host: 'h' } },
      sink: { connector: 'y' },
    });
  });

  test('remembers which file each value came from', () => {
    expect(placeOf(merged, ['source', 'config', 'port'])?.file).toBe('one.yaml');
    expect(placeOf(merged, ['source', 'config', 'host'])?.file).toBe('two.yaml');
    expect(placeOf(merged, ['source', 'config', 'list', 1])?.file).toBe('two.yaml');
  });
});
