import { describe, expect, it } from 'vitest';
import { memoryCheckpoints } from '../../src/checkpoint/memory-store.js';
import type { Guarantee } from '../../src/guarantee.js';
import { pipeline } from '../../src/pipeline.js';
import type { PipelineDefinition } from '../../src/pipeline-definition.js';
import {
  type MemorySinkInput,
  type MemorySourceInput,
  memoryConnector,
  memorySystem,
} from '../../src/testing/index.js';

const system = memorySystem();
const instance = system.instance('a');
const memory = memoryConnector(system, instance);
const store = system.checkpointStore(instance);

function guarantee(
  source: Partial<MemorySourceInput>,
  sink: Partial<MemorySinkInput>,
  rest: Partial<PipelineDefinition> = {},
): Guarantee {
  return pipeline({
    name: 'copy',
    source: memory.source({ stream: 'in', ...source }),
    ...(rest.sinks === undefined ? { sink: memory.sink({ destination: 'out', ...sink }) } : {}),
    checkpoints: store,
    ...rest,
  }).guarantee;
}

const plain = {};
const atomic = { atomic: true };
const keyed = { idempotent: 'key' } as const;
const both = { atomic: true, idempotent: 'key' } as const;

describe('the guarantee table', () => {
  it.each([
    ['none', { position: 'none' }, plain, 'at-most-once', 'none'],
    ['none', { position: 'none' }, atomic, 'at-most-once', 'none'],
    ['none', { position: 'none' }, keyed, 'at-most-once', 'none'],
    ['none', { position: 'none' }, both, 'at-most-once', 'none'],
    ['a queue', { position: 'source', replayable: false }, plain, 'at-least-once', 'source'],
    ['a queue', { position: 'source', replayable: false }, atomic, 'at-least-once', 'source'],
    ['a queue', { position: 'source', replayable: false }, keyed, 'effectively-once', 'source'],
    ['a queue', { position: 'source', replayable: false }, both, 'effectively-once', 'source'],
    ['a log with groups', { position: 'source' }, plain, 'at-least-once', 'source'],
    ['a log with groups', { position: 'source' }, atomic, 'effectively-once', 'sink'],
    ['a log with groups', { position: 'source' }, keyed, 'effectively-once', 'source'],
    ['a log with groups', { position: 'source' }, both, 'effectively-once', 'sink'],
    ['a log', { position: 'engine' }, plain, 'at-least-once', 'store'],
    ['a log', { position: 'engine' }, atomic, 'effectively-once', 'sink'],
    ['a log', { position: 'engine' }, keyed, 'effectively-once', 'store'],
    ['a log', { position: 'engine' }, both, 'effectively-once', 'sink'],
  ] as const)('%s %o to %o is %s, and the position is kept by: %s', (_name, source, sink, delivery, owner) => {
    expect(guarantee(source, sink)).toMatchObject({ delivery, ordered: true, owners: { source: owner } });
  });

  it.each([
    ['the source promises no order', { order: 'none' }, {}, false],
    ['its messages have no key that identifies them', { keyed: false }, {}, true],
    ['the pipeline gives up the order', {}, { order: 'none' }, false],
  ] as const)('does not count an idempotent sink when %s', (_name, source, rest, ordered) => {
    expect(guarantee(source, keyed, rest)).toMatchObject({ delivery: 'at-least-once', ordered });
  });

  it.each([
    ['the source promises no order', { order: 'none' }, {}],
    ['the pipeline gives up the order', {}, { order: 'none' }],
  ] as const)('counts an atomic sink also when %s', (_name, source, rest) => {
    expect(guarantee(source, atomic, rest)).toMatchObject({ delivery: 'effectively-once', ordered: false });
  });

  it.each([plain, atomic, keyed, both])('is at least once with several sinks, whatever they are (%o)', (sink) => {
    const sinks = {
      one: memory.sink({ destination: 'one', ...sink }),
      two: memory.sink({ destination: 'two', ...sink }),
    };
    const result = guarantee({}, {}, { sinks });
    expect(result).toMatchObject({ delivery: 'at-least-once', owners: { source: 'store' } });
    expect(result.summary).toMatch(/with several sinks a restart repeats for all of them/);
  });

  it('is that of the weakest of several sources', () => {
    const made = pipeline({
      name: 'copy',
      sources: {
        log: memory.source({ stream: 'log' }),
        queue: memory.source({ stream: 'queue', position: 'source', replayable: false }),
      },
      sink: memory.sink({ destination: 'out', atomic: true }),
      checkpoints: store,
    });
    expect(made.guarantee).toMatchObject({ delivery: 'at-least-once', owners: { log: 'sink', queue: 'source' } });
  });

  it.each([
    [
      { position: 'none' },
      plain,
      {},
      'at-most-once, ordered per partition: memory cannot deliver a message a second time',
    ],
    [{}, atomic, {}, 'effectively once, ordered per partition: memory stores the position together with the data'],
    [
      {},
      keyed,
      {},
      'effectively once, ordered per partition: messages that are written again replace themselves in memory by their key',
    ],
    [{}, plain, {}, 'at-least-once, ordered per partition: memory cannot store the position together with the data'],
    [{}, plain, { checkpoints: memoryCheckpoints() }, 'positions are kept in memory only'],
    [{}, plain, { order: 'none' }, 'not ordered'],
    [{}, plain, { onInvalid: 'drop' }, 'invalid messages are dropped, as "onInvalid: drop" asks'],
    [
      { position: 'source', replayable: false },
      atomic,
      {},
      'memory cannot be read again from a position that memory stored',
    ],
  ] as const)('says why in words: %o to %o with %o', (source, sink, rest, words) => {
    expect(guarantee(source, sink, rest).summary).toContain(words);
  });
});
