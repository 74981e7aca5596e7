import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { interpolate } from '../src/pipeline-file/interpolate.js';
import { readYaml } from '../src/pipeline-file/read-yaml.js';
import { BadInput } from '../src/problem.js';

function values(yaml: string, environment: Record<string, string> = {}, files: Record<string, string> = {}) {
  const secrets: string[] = [];
  const { tree, problems } = interpolate(readYaml(yaml, 'p.yaml'), {
    environment,
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw new Error('no such file');
      return text;
    },
    onSecret: (text) => secrets.push(text),
  });
  return { value: tree.value, texts: tree.texts, secrets, problems };
}

function problemsOf(yaml: string): readonly string[] {
  const { problems } = values(yaml);
  return problems.length === 0 ? [] : new BadInput(problems).message.split('\n');
}

describe('interpolation', () => {
  test('puts variables into texts', () => {
    expect(values('a: http://${HOST}:${PORT}/', { HOST: 'h', PORT: '80' }).value).toEqual({ a: 'http://h:80/' });
  });

  test.each([
    ['7200', 7200],
    ['true', true],
    ['null', null],
    ['', ''],
    ['text', 'text'],
    ['{ a: b }', '{ a: b }'],
    ['[1]', '[1]'],
    ['- x', '- x'],
  ])('gives a scalar that is one variable the type that %j looks like', (text, value) => {
    expect(values('a: "${X}"', { X: text }).value).toEqual({ a: value });
  });

  test('keeps the text beside the typed value, for fields that take a string', () => {
    expect(values('a: { b: "${X}" }', { X: '0123' }).texts.get('["a","b"]')).toBe('0123');
  });

  test('takes the default for a variable that is not set or empty', () => {
    expect(values('[ "${A:-1}", "${B:-x y}", "${C:-}" ]', { A: '' }).value).toEqual([1, 'x y', '']);
  });

  test('reads secrets from files without the last newline, never types them, and tells them', () => {
    const { value, secrets } = values('a: ${file:pin}\nb: x-${file:pin}', {}, { pin: '0042\n' });
    expect(value).toEqual({ a: '0042', b: 'x-0042' });
    expect(secrets).toEqual(['0042', '0042']);
  });

  test('leaves $$ as one dollar sign, and a dollar sign before anything else alone', () => {
    expect(values('a: $${HOME} ^x$ $1', {}).value).toEqual({ a: '${HOME} ^x$ $1' });
  });

  test('names every variable that is not set, with line and column', () => {
    expect(problemsOf('a: ${ONE}\nb:\n  - ${TWO}')).toEqual([
      'p.yaml:1:1: a: variable ONE is not set; set it, or give a default with ${ONE:-default}',
      'p.yaml:3:5: b.0: variable TWO is not set; set it, or give a default with ${TWO:-default}',
    ]);
  });

  test.each(['a: ${', 'a: ${no-name}', 'a: x ${A', 'a: ${A:-${B}}'])('refuses %j', (yaml) => {
    expect(problemsOf(yaml)).toHaveLength(1);
  });

  test('does not look into what it put in', () => {
    expect(values('a: x${A}', { A: '${B} $$' }).value).toEqual({ a: 'x${B} $$' });
  });

  test('takes a text that looks like an alias as it is', () => {
    expect(values('a: ${X}', { X: '*!' }).value).toEqual({ a: '*!' });
  });

  test('can never change the structure, whatever a variable holds', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const { value } = values('a: { b: "${X}", c: 1 }', { X: text });
        expect(value).toMatchObject({ a: { c: 1 } });
        expect(Object.keys((value as { a: object }).a)).toEqual(['b', 'c']);
        expect(['string', 'number', 'boolean']).toContain(typeof ((value as { a: { b: unknown } }).a.b ?? ''));
      }),
    );
  });
});
