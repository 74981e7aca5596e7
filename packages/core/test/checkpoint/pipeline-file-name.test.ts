import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pipelineFileName } from '../../src/checkpoint/pipeline-file-name.js';

describe('the file name of a pipeline', () => {
  it('is its name where that is safe everywhere', () => {
    expect(pipelineFileName('orders_eu-1.v2')).toBe('orders_eu-1.v2');
  });

  it('is safe for every name', () => {
    const names = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('', '.', '..', '../../etc/passwd', 'a/b', '\0', '\ud800', 'a'.repeat(300)),
    );
    fc.assert(
      fc.property(names, (name) => {
        expect(pipelineFileName(name)).toMatch(/^(?!\.)[A-Za-z0-9._~-]{1,110}$/);
      }),
    );
  });

  it('differs between names that differ, also where the file system ignores case', () => {
    const names = [
      'orders',
      'Orders',
      'ORDERS',
      'a/b',
      'a b',
      'a-b',
      'a:b',
      '',
      '-',
      'a'.repeat(200),
      'a'.repeat(201),
      'é',
      'e\u0301',
    ];
    // The names that the mapping itself gives are names of pipelines, too.
    const all = [...names, ...names.map(pipelineFileName).filter((name) => !names.includes(name))];
    const files = new Set(all.map((name) => pipelineFileName(name).toLowerCase()));
    expect(files.size).toBe(all.length);
  });
});
