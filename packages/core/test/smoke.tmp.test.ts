import { expect, test } from 'vitest';
import { createMessage, filter, flatMap, map, pipeline, type PipelineEvent, withPayload } from '../src/index.js';
import { memorySystem, memoryConnector, audit, keyText, fail } from '../src/testing/index.js';

function setup(n = 1000, parts = ['p0', 'p1', 'p2']) {
  const system = memorySystem();
  const instance = system.instance('a');
  const memory = memoryConnector(system, instance);
  const s = system.stream('in');
  const expected = parts.map((p) => {
    const ids = Array.from({ length: n }, (_, i) => `${p}-${i}`);
    s.produce(p, ids.map((id) => ({ key: id, payload: Buffer.from(id) })));
    return ids;
  });
  const events: PipelineEvent[] = [];
  return { system, instance, memory, expected, events, s };
}
const cases: [string, object, object][] = [
  ['plain', {}, {}],
  ['flush', {}, { flush: true }],
  ['atomic', {}, { atomic: true }],
  ['ordered', {}, { overlap: 'ordered' }],
  ['partitions atomic', {}, { overlap: 'partitions', atomic: true }],
  ['source owned', { position: 'source' }, {}],
  ['queue window', { position: 'source', replayable: false, window: 50 }, {}],
  ['queue window flush', { position: 'source', replayable: false, window: 50 }, { flush: true }],
  ['none', { position: 'none', replayable: false }, { flush: true }],
  ['limits', {}, { limits: { maxMessages: 7 }, atomic: true }],
];
for (const [name, source, sink] of cases)
  for (const faulty of [false, true])
    test(`${name} ${faulty}`, async () => {
      const { system, instance, memory, expected, events } = setup();
      if (faulty) {
        let k = 0;
        system.faults.decideBy((op) => {
          k = (k * 1103515245 + 12345) % 2147483648;
          if (!['sink.write', 'sink.flush', 'source.read', 'source.commit', 'sink.claim', 'store.save'].includes(op.name)) return undefined;
          const r = (k >> 8) % 100;
          if (r < 8) return fail('not_connected');
          if (r < 14) return fail('conflict', 5);
          if (r < 30) return { waitMs: r };
          return undefined;
        });
      }
      const p = pipeline({
        name: 'copy',
        source: memory.source({ stream: 'in', bounded: true, ...source }),
        transforms: [filter(() => true), map((m) => m)],
        sink: memory.sink({ destination: 'out', ...sink }),
        checkpoints: system.checkpointStore(instance),
        clock: instance.clock,
        onEvent: (e) => events.push(e),
      });
      const summary = await system.clock.settle(p.run());
      const arrived = system.destination('out').stored.map(({ message }) => String(message.key));
      const a = audit(expected, arrived);
      console.log(name, p.guarantee.summary, summary.received, summary.written, summary.unsettled, 'lost', a.lost.length, 'dup', a.duplicated.length, 'reord', a.reordered.length, system.clock.now() - 1_800_000_000_000, JSON.stringify(system.violations.found.slice(0,3)), events.map((e) => e.type === 'degraded' ? e.error.message : e.type).join().slice(0,300));
      expect(a.lost.length).toBe(0);
    });
