import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { splitArguments } from '../src/pipeline-command.js';
import { applyOverrides, overrideNames, unknownOptions } from '../src/pipeline-file/override.js';

const config = z.strictObject({
  port: z.number(),
  codec: z.string().optional(),
  bindAddress: z.string().optional(),
  tls: z.strictObject({ caFile: z.string() }).optional(),
});
const file = { name: 'x', source: { connector: 'a' }, sinks: { archive: { connector: 'a' } } };
const names = overrideNames(file, [
  { path: ['source'], config },
  { path: ['sinks', 'archive'], config },
]);

describe('options of the command line', () => {
  test.each([
    ['name', ['name']],
    ['batch-max-messages', ['batch', 'maxMessages']],
    ['checkpoints-path', ['checkpoints', 'path']],
    ['dead-letter-max-ratio', ['deadLetter', 'maxRatio']],
    ['source-connector', ['source', 'connector']],
    ['source-port', ['source', 'config', 'port']],
    ['source-config-port', ['source', 'config', 'port']],
    ['source-bind-address', ['source', 'config', 'bindAddress']],
    ['source-tls-ca-file', ['source', 'config', 'tls', 'caFile']],
    ['source-codec', ['source', 'codec']],
    ['source-config-codec', ['source', 'config', 'codec']],
    ['sinks-archive-port', ['sinks', 'archive', 'config', 'port']],
    ['sinks-archive-connector', ['sinks', 'archive', 'connector']],
    ['sinks-archive-dead-letter-max-ratio', ['sinks', 'archive', 'deadLetter', 'maxRatio']],
  ])('--%s sets the field of that path', (name, path) => {
    expect(names.get(name)).toEqual(path);
  });

  test('are typed as in a file, and make the maps that lead to them', () => {
    const tree = { value: file, places: new Map(), texts: new Map() };
    const { tree: changed, unknown } = applyOverrides(
      tree,
      [
        { name: 'source-port', text: '7300' },
        { name: 'source-tls-ca-file', text: '[a, b]' },
        { name: 'sorce-port', text: '1' },
      ],
      names,
    );
    expect(changed.value).toMatchObject({
      source: { connector: 'a', config: { port: 7300, tls: { caFile: ['a', 'b'] } } },
    });
    expect(changed.texts.get('["source","config","tls","caFile"]')).toBe('[a, b]');
    expect(unknown).toEqual([{ name: 'sorce-port', text: '1' }]);
  });

  test('that no field has name the nearest one', () => {
    expect(unknownOptions([{ name: 'sorce-port', text: '1' }], [...names.keys()])[0]?.message).toMatch(
      /^unknown option --sorce-port; did you mean --source-port\?/,
    );
  });

  test('are told from files, and take their value from the next argument or after "="', () => {
    expect(splitArguments(['a.yaml', '--source-port', '-1', '--name=x=y', 'b.yaml', '--sink-path', '-'])).toEqual({
      files: ['a.yaml', 'b.yaml'],
      overrides: [
        { name: 'source-port', text: '-1' },
        { name: 'name', text: 'x=y' },
        { name: 'sink-path', text: '-' },
      ],
    });
    expect(() => splitArguments(['--source-port'])).toThrow('option --source-port needs a value');
  });
});
