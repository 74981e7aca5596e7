import { beforeEach, describe, expect, it } from 'vitest';
import {
  audit,
  keyText,
  type MemorySystem,
  memorySystem,
  type SettlingRule,
  watchSettling,
} from '../../src/testing/index.js';
import { batchOf, keyed, lease, noSignal, openSink, openSource } from './open-drivers.js';

describe('audit', () => {
  const expected = [
    ['a', 'b', 'c'],
    ['x', 'y'],
  ];

  it('finds nothing where everything came once and in the order of each partition', () => {
    expect(audit(expected, ['x', 'a', 'b', 'y', 'c'])).toEqual({ lost: [], duplicated: [], reordered: [], stale: [] });
  });

  it('finds what is lost', () => {
    expect(audit(expected, ['a', 'c', 'x']).lost).toEqual(['b', 'y']);
  });

  it('finds what came twice, once for each time too many', () => {
    const result = audit(expected, ['a', 'b', 'a', 'b', 'c', 'b', 'c', 'x', 'y']);
    expect(result.duplicated).toEqual(['a', 'b', 'b', 'c']);
    expect(result).toMatchObject({ lost: [], reordered: [], stale: [] });
  });

  it('finds what came first after something that was to follow it', () => {
    expect(audit(expected, ['a', 'c', 'b', 'c', 'x', 'y']).reordered).toEqual(['c']);
    expect(audit(expected, ['b', 'a', 'c', 'y', 'x']).reordered).toEqual(['b', 'y']);
  });

  it('finds where an older message came last', () => {
    const result = audit(expected, ['a', 'b', 'c', 'b', 'x', 'y']);
    expect(result).toMatchObject({ reordered: [], stale: ['c'] });
  });
});

describe('watching what is settled', () => {
  let system: MemorySystem;
  beforeEach(() => {
    system = memorySystem();
    system.stream('in').produce('p', keyed('a', 'b'));
  });

  function watch(owner: SettlingRule['owner'] = 'store'): void {
    watchSettling(system, {
      stream: 'in',
      owner,
      identify: keyText,
      settled: (message, stored) => stored('out', keyText(message)) || stored('dead', keyText(message)),
    });
  }

  it('accepts a commit of what is stored or dead-lettered', async () => {
    watch('nobody');
    const source = await openSource(system);
    const { position } = await lease(source).batch();
    await (await openSink(system)).write(batchOf('p', 'a'), noSignal());
    await (await openSink(system, { destination: 'dead' })).write(batchOf('p', 'b'), noSignal());
    await source.commit?.('p', position);
    expect(system.violations.found).toEqual([]);
  });

  it('reports a commit of what is not stored', async () => {
    watch('nobody');
    const source = await openSource(system);
    const { position } = await lease(source).batch();
    await (await openSink(system)).write(batchOf('p', 'a'), noSignal());
    await source.commit?.('p', position);
    expect(system.violations.found).toEqual(['the commit of partition "p" passes b, which is not settled']);
  });

  it('reports a commit of what is written but not flushed', async () => {
    watch('nobody');
    const source = await openSource(system);
    const { position } = await lease(source).batch();
    await (await openSink(system, { flush: true })).write(batchOf('p', 'a', 'b'), noSignal());
    await source.commit?.('p', position);
    expect(system.violations.found).toHaveLength(2);
  });

  const checkpoint = (next: number): object => ({
    'source:p': { connector: 'memory', version: 1, identity: null, position: { next, lease: 1 } },
  });

  it('reports a commit that comes before its checkpoint', async () => {
    watch();
    const source = await openSource(system);
    const batch = await lease(source).batch();
    await (await openSink(system)).write(batchOf('p', 'a', 'b'), noSignal());
    const claim = await system.checkpointStore(system.instance('a')).claim('copy');
    await claim.save({ ...checkpoint(1) });
    await source.commit?.('p', batch.positionAt?.(0) ?? null);
    expect(system.violations.found).toEqual([]);
    await source.commit?.('p', batch.position);
    expect(system.violations.found).toEqual(['the commit of partition "p" comes before its checkpoint']);
  });

  it('reports a checkpoint in a store that passes what is not stored', async () => {
    watch();
    const claim = await system.checkpointStore(system.instance('a')).claim('copy');
    await (await openSink(system)).write(batchOf('p', 'a'), noSignal());
    await claim.save({ ...checkpoint(1) });
    expect(system.violations.found).toEqual([]);
    await claim.save({ ...checkpoint(2) });
    expect(system.violations.found).toEqual(['the checkpoint of partition "p" passes b, which is not settled']);
  });

  it('reports an atomic checkpoint that passes a message whose dead letter is not stored yet', async () => {
    watch({ destination: 'out' });
    const sink = await openSink(system, { atomic: true });
    await sink.claim?.(['source:p']);
    await sink.write(batchOf('source:p', 'a'), noSignal());
    await sink.flush?.({ ...checkpoint(2) }, noSignal());
    expect(system.violations.found).toEqual(['the checkpoint of partition "p" passes b, which is not settled']);
  });

  it('reports messages that an atomic destination stores beyond its checkpoint', async () => {
    const begun: NonNullable<SettlingRule['begun']> = (message, stored) => stored('out', keyText(message));
    watchSettling(system, {
      stream: 'in',
      owner: { destination: 'out' },
      identify: keyText,
      settled: () => true,
      begun,
    });
    const sink = await openSink(system, { atomic: true });
    await sink.claim?.(['source:p']);
    await sink.write(batchOf('source:p', 'a', 'b'), noSignal());
    await sink.flush?.({ ...checkpoint(1) }, noSignal());
    expect(system.violations.found).toEqual(['b is stored beyond the checkpoint of partition "p"']);
  });

  it('does not look at the checkpoint of a destination that does not own the position', async () => {
    watch('nobody');
    const sink = await openSink(system, { atomic: true });
    await sink.claim?.(['source:p']);
    await sink.flush?.({ ...checkpoint(2) }, noSignal());
    expect(system.violations.found).toEqual([]);
  });
});
