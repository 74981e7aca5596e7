import { describe, expect, it } from 'vitest';
import { type PipelineDefinition, pipeline } from '../src/index.js';
import { memoryConnector, memorySystem } from '../src/testing/index.js';

const system = memorySystem();
const memory = memoryConnector(system, system.instance('a'));
const good: PipelineDefinition = {
  name: 'copy',
  source: memory.source({ stream: 'in' }),
  sink: memory.sink({ destination: 'out' }),
};

/** What untyped code gives, as in a pipeline in plain JavaScript or in a TypeScript file that nobody has type-checked. */
function build(fields: Readonly<Record<string, unknown>>): () => unknown {
  return () => pipeline({ ...good, ...fields });
}

describe('a definition from untyped code is refused when the pipeline is built', () => {
  it.each<[string, Readonly<Record<string, unknown>>, string]>([
    [
      'whose transform is a plain function, which would lose every message',
      { transforms: [(message: unknown) => message] },
      'pipeline "copy" transforms[0] is a function; make it a step with map(), filter() or flatMap()',
    ],
    [
      'whose transforms are no list',
      { transforms: {} },
      'pipeline "copy" transforms is an object; give a list of steps',
    ],
    [
      'whose branch has such a transform',
      { sink: undefined, sinks: { a: { sink: good.sink, transforms: [5] } } },
      'pipeline "copy" sinks.a.transforms[0] is a number; make it a step',
    ],
    [
      'whose source is only a config',
      { source: { path: 'in.txt' } },
      'source is not a source; make it with a connector',
    ],
    ['whose sink is a source', { sink: good.source }, 'sink is not a sink; make it with a connector'],
    ['whose dead letters have no sink', { deadLetter: { window: 5 } }, 'deadLetter.sink is not a sink'],
    [
      'whose branch is a number',
      { sink: undefined, sinks: { a: 5 } },
      'pipeline "copy" sinks.a is not a sink; make it with a connector',
    ],
    [
      'whose branch is a source',
      { sink: undefined, sinks: { a: { sink: good.source } } },
      'pipeline "copy" sinks.a.sink is not a sink; make it with a connector',
    ],
    [
      'whose branch has a misspelt field, which would lose its dead letters',
      { sink: undefined, sinks: { a: { sink: good.sink, deadLeter: { sink: good.sink } } } },
      'sinks.a config is invalid: deadLeter: unknown key, did you mean "deadLetter"?',
    ],
    [
      'whose dead letters of a branch have a share above one',
      { sink: undefined, sinks: { a: { sink: good.sink, deadLetter: { sink: good.sink, maxRatio: 5 } } } },
      'sinks.a config is invalid: deadLetter.maxRatio: ',
    ],
    [
      'whose dead letters of a branch have no sink',
      { sink: undefined, sinks: { a: { sink: good.sink, deadLetter: {} } } },
      'sinks.a deadLetter.sink is not a sink; make it with a connector',
    ],
    [
      'whose dead letters are a list of texts',
      { deadLetter: 'dead.ndjson' },
      'deadLetter: expected object, got string',
    ],
    ['one of whose sources is left out', { source: undefined, sources: { a: undefined } }, 'sources.a is not a source'],
    ['with a misspelt field', { onPositonLost: 'earliest' }, 'unknown key, did you mean "onPositionLost"?'],
    ['with a misspelt value', { onInvalid: 'dorp' }, 'onInvalid: expected "drop", got string "dorp"'],
    [
      'that drops invalid messages and stores them',
      { onInvalid: 'drop', deadLetter: { sink: good.sink } },
      'onInvalid: "drop" forgets invalid messages, and deadLetter would store them. Leave out the one or the other',
    ],
    [
      'that drops invalid messages and stores those of a branch',
      { onInvalid: 'drop', sink: undefined, sinks: { a: { sink: good.sink, deadLetter: { sink: good.sink } } } },
      'onInvalid: "drop" forgets invalid messages, and sinks.a.deadLetter would store them',
    ],
    ['with another misspelt value', { order: 'nune' }, 'order: expected "none", got string "nune"'],
    ['with a budget that nothing fits into', { budget: { maxMessages: 0 } }, 'budget.maxMessages: '],
    ['with a rate at which nothing moves', { rateLimit: { messagesPerSecond: 0 } }, 'rateLimit.messagesPerSecond: '],
    ['with a size that is no number', { batch: { maxMessages: Number.NaN } }, 'batch.maxMessages: '],
    ['with a time that no timer can wait', { timeoutMs: 2 ** 31 }, 'timeoutMs: '],
    ['with a share above one', { deadLetter: { sink: good.sink, maxRatio: 5 } }, 'deadLetter.maxRatio: '],
  ])('%s', (_what, fields, text) => {
    expect(build(fields)).toThrow(
      expect.objectContaining({ code: 'config_invalid', message: expect.stringContaining(text) }),
    );
  });

  it('with all its problems at once', () => {
    expect(build({ flush: { intervalMs: 0 }, retry: { maxAtempts: 1 } })).toThrow(
      /flush\.intervalMs: .*; retry\.maxAtempts: unknown key, did you mean "maxAttempts"\?/,
    );
  });
});

it('a field that is undefined counts as left out', () => {
  expect(build({ batch: undefined, transforms: undefined, deadLetter: undefined, timeoutMs: undefined })).not.toThrow();
});
