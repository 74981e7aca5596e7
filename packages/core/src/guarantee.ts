import type { Owner } from './engine/plan.js';
import type { PipelineDefinition } from './pipeline-definition.js';
import type { Sink } from './sink.js';
import type { Source } from './source.js';

/** What a pipeline promises about every message, from the weakest to the strongest. */
export type Delivery = 'at-most-once' | 'at-least-once' | 'effectively-once';

/** What a pipeline promises, computed before the first byte moves. */
export interface Guarantee {
  readonly delivery: Delivery;
  /** Whether messages of one source partition are written in the order in which they were read. */
  readonly ordered: boolean;
  /** Who keeps the position of each source: the sink, the source itself, the checkpoint store, or nobody. */
  readonly owners: Readonly<Record<string, Owner>>;
  /** Why, one sentence each. */
  readonly reasons: readonly string[];
  /** All of it in one line. */
  readonly summary: string;
}

interface Verdict {
  readonly delivery: Delivery;
  readonly owner: Owner;
  readonly reason: string;
}

const rank: Record<Delivery, number> = { 'at-most-once': 0, 'at-least-once': 1, 'effectively-once': 2 };

/** The guarantee of a definition: the weakest of its sources' over all sinks. */
export function guaranteeOf(
  definition: PipelineDefinition,
  sources: readonly (readonly [string, Source])[],
  sinks: readonly Sink[],
): Guarantee {
  const verdicts = sources.map(([id, source]) => [id, verdictOf(definition, source, sinks)] as const);
  const delivery = verdicts.map(([, verdict]) => verdict.delivery).reduce((a, b) => (rank[a] <= rank[b] ? a : b));
  const orderReason = whyUnordered(definition, sources);
  const reasons = [
    ...new Set(verdicts.map(([, verdict]) => verdict.reason)),
    ...(orderReason === undefined ? [] : [orderReason]),
  ];
  if (definition.onInvalid === 'drop') reasons.push('invalid messages are dropped, as "onInvalid: drop" asks');
  return {
    delivery,
    ordered: orderReason === undefined,
    owners: Object.fromEntries(verdicts.map(([id, verdict]) => [id, verdict.owner])),
    reasons,
    summary: `${delivery === 'effectively-once' ? 'effectively once' : delivery}, ${
      orderReason === undefined ? 'ordered per partition' : 'not ordered'
    }: ${reasons.join('; ')}`,
  };
}

/** The guarantee table of DESIGN.md, row by row; the first row that fits counts. */
function verdictOf(definition: PipelineDefinition, source: Source, sinks: readonly Sink[]): Verdict {
  const from = source.connector.name;
  const { position, replayable } = source.capabilities;
  if (position === 'none' || (position === 'engine' && !replayable)) {
    return {
      delivery: 'at-most-once',
      owner: 'none',
      reason: `${from} cannot deliver a message a second time, so what is in memory when the process dies is lost`,
    };
  }
  const keeper: Owner = position === 'source' ? 'source' : 'store';
  const kept = keeper === 'source' ? `${from} keeps the position` : storeReason(definition);
  const [sink] = sinks;
  if (sinks.length > 1 || sink === undefined) {
    return {
      delivery: 'at-least-once',
      owner: keeper,
      reason: `with several sinks a restart repeats for all of them what one had not settled; ${kept}`,
    };
  }
  const to = sink.connector.name;
  if (sink.capabilities.atomic && replayable) {
    return { delivery: 'effectively-once', owner: 'sink', reason: `${to} stores the position together with the data` };
  }
  if (isIdempotent(definition, source, sink)) {
    return {
      delivery: 'effectively-once',
      owner: keeper,
      reason: `messages that are written again replace themselves in ${to} by their key; ${kept}`,
    };
  }
  const why = sink.capabilities.atomic
    ? `${from} cannot be read again from a position that ${to} stored`
    : `${to} cannot store the position together with the data`;
  return {
    delivery: 'at-least-once',
    owner: keeper,
    reason: `${why}, so a crash repeats what was not settled; ${kept}`,
  };
}

/** An idempotent sink counts only with order kept and a key that comes from the source. */
function isIdempotent(definition: PipelineDefinition, source: Source, sink: Sink): boolean {
  const { keyed, order } = source.capabilities;
  return sink.capabilities.idempotent === 'key' && keyed && order === 'partition' && definition.order !== 'none';
}

function storeReason(definition: PipelineDefinition): string {
  const store = definition.checkpoints;
  if (store !== undefined && !store.durable)
    return 'positions are kept in memory only, so a restart begins again at the start';
  return `the position is kept in ${store?.description ?? 'a checkpoint file'}`;
}

function whyUnordered(
  definition: PipelineDefinition,
  sources: readonly (readonly [string, Source])[],
): string | undefined {
  if (definition.order === 'none') return 'order is given up, as "order: none" asks';
  const unordered = sources.find(([, source]) => source.capabilities.order === 'none');
  return unordered === undefined ? undefined : `${unordered[1].connector.name} promises no order`;
}
