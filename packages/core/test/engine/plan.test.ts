import { describe, expect, it } from 'vitest';
import { memoryCheckpoints } from '../../src/checkpoint/memory-store.js';
import { defineConnector } from '../../src/define-connector.js';
import { planOf } from '../../src/engine/plan.js';
import { pipeline } from '../../src/pipeline.js';
import type { PipelineDefinition } from '../../src/pipeline-definition.js';
import { memoryConnector, memorySystem } from '../../src/testing/index.js';

const system = memorySystem();
const memory = memoryConnector(system, system.instance('a'));
const source = memory.source({ stream: 'in' });
const sink = memory.sink({ destination: 'out' });
const good: PipelineDefinition = { name: 'copy', source, sink };

describe('a pipeline is refused', () => {
  it.each<[string, Partial<PipelineDefinition> | ((definition: PipelineDefinition) => unknown), RegExp]>([
    ['without a name', { name: '' }, /pipeline name "" must be/],
    ['with a name that is no file name', { name: '../other' }, /pipeline name "..\/other" must be 1 to 200 letters/],
    ['with a name that is too long', { name: 'x'.repeat(201) }, /1 to 200/],
    ['with both source and sources', { sources: { a: source } }, /needs a "source" or "sources", and not both/],
    ['with both sink and sinks', { sinks: { a: sink } }, /needs a "sink" or "sinks", and not both/],
    ['without a source', ({ name }) => ({ name, sink }), /needs a "source" or "sources"/],
    ['without a sink', ({ name }) => ({ name, source }), /needs a "sink" or "sinks"/],
    ['with an empty set of sources', ({ name }) => ({ name, sources: {}, sink }), /has no source: "sources" is empty/],
    ['with an empty set of sinks', ({ name }) => ({ name, source, sinks: {} }), /has no sink: "sinks" is empty/],
    [
      'with a source id that holds a colon',
      ({ name }) => ({ name, sources: { 'a:b': source }, sink }),
      /source id "a:b"/,
    ],
    ['with a sink id that holds a blank', ({ name }) => ({ name, source, sinks: { 'a b': sink } }), /sink id "a b"/],
    [
      'whose sink would lose what changes mean',
      { source: memory.source({ stream: 'in', changes: true }) },
      /memory emits changes .* and sink "sink" \(memory\) would lose what they mean. Give the sink codec "change"/,
    ],
    [
      'one of whose sinks would lose what changes mean',
      ({ name }) => ({
        name,
        source: memory.source({ stream: 'in', changes: true }),
        sinks: { good: memory.sink({ destination: 'out', changes: true }), bad: sink },
      }),
      /sink "bad"/,
    ],
  ])('%s', (_what, change, reason) => {
    const definition = typeof change === 'function' ? change(good) : { ...good, ...change };
    const plan = (): unknown => planOf(definition as PipelineDefinition); // the point is that it is not one
    expect(plan).toThrow(expect.objectContaining({ code: 'config_invalid', message: expect.stringMatching(reason) }));
  });
});

describe('a pipeline of changes is accepted', () => {
  const changes = memory.source({ stream: 'in', changes: true });
  it.each([
    ['when the sink applies them', memory.sink({ destination: 'out', changes: true })],
    ['when the codec of the sink carries them', memory.sink({ destination: 'out' }, { codec: 'change' })],
  ])('%s', (_when, to) => {
    expect(() => planOf({ name: 'copy', source: changes, sink: to })).not.toThrow();
  });
});

it('a pipeline tells what its connectors remark about their configs', () => {
  const { sink: half, ...rest } = memory.descriptor;
  if (half === undefined) throw new Error('the memory connector writes');
  const talkative = defineConnector({
    ...rest,
    sink: { ...half, remarks: ({ destination }) => [`writes to ${destination}`, 'and so on'] },
  });
  const sinks = { one: talkative.sink({ destination: 'a' }), two: { sink: talkative.sink({ destination: 'b' }) } };
  expect(pipeline({ name: 'copy', source, sinks, checkpoints: memoryCheckpoints() }).remarks).toEqual([
    'one: writes to a',
    'one: and so on',
    'two: writes to b',
    'two: and so on',
  ]);
  expect(pipeline({ ...good, checkpoints: memoryCheckpoints() }).remarks).toEqual([]);
});

describe('a plan', () => {
  it('has the documented defaults', () => {
    expect(planOf(good)).toMatchObject({
      onInvalid: 'stop',
      ordered: true,
      flush: { intervalMs: 1000, maxMessages: 500_000, maxBytes: 32 * 2 ** 20 },
      retry: { initialDelayMs: 100, maxDelayMs: 30_000, maxAttempts: 10 },
      budget: { maxBytes: 64 * 2 ** 20, maxMessages: 10_000 },
      timeoutMs: 30_000,
      openTimeoutMs: 30_000,
      shutdownTimeoutMs: 25_000,
      store: { description: expect.stringContaining('.sluice/checkpoints') },
    });
    expect(planOf({ ...good, deadLetter: { sink } }).deadLetter).toEqual({ sink, maxRatio: 0.1, window: 1000 });
  });

  it('has a budget for what its sinks want under way, and more where messages cannot be read again', () => {
    const preferred = { maxMessages: 4000, maxBytes: 2 ** 20, maxInFlight: 3 };
    const sinkWith = (overlap: 'none' | 'ordered'): typeof sink =>
      memory.sink({ destination: 'out', overlap, preferred });
    const messagesOf = (definition: PipelineDefinition): number => planOf(definition).budget.maxMessages;
    expect(messagesOf({ ...good, sink: sinkWith('ordered') })).toBe(12_000);
    expect(messagesOf({ ...good, sink: sinkWith('none') })).toBe(10_000);
    expect(messagesOf({ ...good, source: memory.source({ stream: 'in', position: 'none' }) })).toBe(50_000);
    expect(messagesOf({ ...good, sink: sinkWith('ordered'), budget: { maxMessages: 7 } })).toBe(7);
  });

  it('has a checkpoint store only when somebody needs it', () => {
    expect(planOf({ ...good, source: memory.source({ stream: 'in', position: 'source' }) }).store).toBeUndefined();
    expect(planOf({ ...good, sink: memory.sink({ destination: 'out', atomic: true }) }).store).toBeUndefined();
  });
});
