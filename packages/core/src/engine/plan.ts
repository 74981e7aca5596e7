import { checkDefinition } from '../check-definition.js';
import { fileCheckpoints } from '../checkpoint/file-store.js';
import type { CheckpointStore } from '../checkpoint/store.js';
import { type Clock, systemClock } from '../clock.js';
import type { Codec } from '../codec/codec.js';
import { codecOf } from '../codec/codecs.js';
import { ConnectorError } from '../error.js';
import { type Guarantee, guaranteeOf } from '../guarantee.js';
import type {
  BatchSettings,
  BranchDefinition,
  BudgetSettings,
  DeadLetterDefinition,
  FlushSettings,
  PipelineDefinition,
  PipelineEvent,
  RetrySettings,
} from '../pipeline-definition.js';
import type { Sink } from '../sink.js';
import type { Source } from '../source.js';
import { decodeStep, encodeStep } from './codec-step.js';
import type { Step } from './flow.js';

/** Who keeps the position of a source. */
export type Owner = 'sink' | 'source' | 'store' | 'none';

/** A source as the engine runs it. */
export interface SourcePlan {
  readonly id: string;
  readonly source: Source;
  readonly owner: Owner;
}

/** Where the invalid messages of a branch go. */
export interface DeadLetterPlan {
  readonly sink: Sink;
  readonly maxRatio: number;
  readonly window: number;
}

/** A sink as the engine runs it. */
export interface BranchPlan {
  readonly id: string;
  readonly sink: Sink;
  /** Run for this branch alone. */
  readonly steps: readonly Step[];
  readonly deadLetter: DeadLetterPlan | undefined;
}

/** A definition that was checked, with every default in its place. */
export interface Plan {
  readonly name: string;
  readonly sources: readonly SourcePlan[];
  /** Run once for all branches. */
  readonly steps: ReadonlyMap<string, readonly Step[]>;
  readonly branches: readonly BranchPlan[];
  /** The pipeline's own dead letters: of messages that fail before they reach a branch. */
  readonly deadLetter: DeadLetterPlan | undefined;
  readonly guarantee: Guarantee;
  readonly store: CheckpointStore | undefined;
  readonly onInvalid: 'stop' | 'drop' | 'deadLetter';
  readonly onPositionLost: 'earliest' | 'latest' | undefined;
  readonly ordered: boolean;
  readonly batch: BatchSettings;
  readonly flush: Required<FlushSettings>;
  readonly retry: Required<RetrySettings>;
  readonly budget: Required<BudgetSettings>;
  readonly messagesPerSecond: number | undefined;
  readonly timeoutMs: number;
  /** The same for a write or flush. */
  readonly writeTimeoutMs: number;
  readonly openTimeoutMs: number;
  readonly shutdownTimeoutMs: number;
  /** `onRequest`: nothing is settled but by {@link Run.settle}; for reading without a pipeline. */
  readonly settles: 'always' | 'onRequest';
  /** Told when a bounded source has ended and all was handled, in place of ending the run: its last batches may yet be settled. */
  readonly onEnd: (() => void) | undefined;
  readonly clock: Clock;
  readonly emit: (event: PipelineEvent) => void;
}

/** Whether a message that is invalid for this sink ends the run. */
export function stopsAtInvalid({ onInvalid }: Plan, { deadLetter }: BranchPlan): boolean {
  return onInvalid === 'stop' && deadLetter === undefined;
}

/** Half of what a container of 128 MiB has. */
const defaultBudgetBytes = 64 * 1024 * 1024;
/** What waits outlives the young generation of the heap, which makes it grow: no more than a sink can use, but one full read. */
const leastBudgetMessages = 10_000;
/** They are kept until the flush, and who sends them does not wait. */
const unrepeatableBudgetMessages = 50_000;

/** How much is read again after a crash at the most. Time and bytes usually come first; this is for a flood of tiny messages. */
const defaultFlushMessages = 500_000;

/** A minute and a half of attempts for what is not known to pass. */
export const retryDefaults: Required<RetrySettings> = { initialDelayMs: 100, maxDelayMs: 30_000, maxAttempts: 10 };

/**
 * Checks a definition and fills in the defaults.
 *
 * @throws {ConnectorError} `config_invalid`
 */
export function planOf(definition: PipelineDefinition): Plan {
  const { name } = definition;
  if (!/^[\w.-]{1,200}$/.test(name)) {
    throw invalid(
      `pipeline name "${name}" must be 1 to 200 letters, digits, ".", "_" or "-"; it names files and tables`,
    );
  }
  checkDefinition(definition);
  const sources = oneOrSeveral(name, 'source', definition.source, definition.sources);
  const sinks = oneOrSeveral<Sink | BranchDefinition>(name, 'sink', definition.sink, definition.sinks);
  const deadLetter = deadLetterOf(definition.deadLetter);
  const branches = sinks.map(([id, sink]) => {
    const branch = branchOf(definition, { id, branch: 'sink' in sink ? sink : { sink } }, sources);
    // One plan, so that the pipeline and its branches write to one sink and not to several on one file.
    return { ...branch, deadLetter: branch.deadLetter ?? deadLetter };
  });
  for (const [, source] of sources) for (const branch of sinks) refuseLostChanges(name, source, branch);
  const guarantee = guaranteeOf(
    definition,
    sources,
    sinks.map(([, sink]) => ('sink' in sink ? sink.sink : sink)),
  );
  const budget = {
    maxBytes: defaultBudgetBytes,
    maxMessages: budgetMessages(Object.values(guarantee.owners), branches),
    ...definition.budget,
  };
  return {
    name,
    sources: sources.map(([id, source]) => ({ id, source, owner: guarantee.owners[id] ?? 'none' })),
    steps: new Map(sources.map(([id, source]) => [id, sourceSteps(definition, source, sinks)])),
    branches,
    deadLetter,
    guarantee,
    store: Object.values(guarantee.owners).includes('store')
      ? (definition.checkpoints ?? fileCheckpoints({ path: '.sluice/checkpoints' }))
      : undefined,
    onInvalid: definition.onInvalid ?? (definition.deadLetter === undefined ? 'stop' : 'deadLetter'),
    onPositionLost: definition.onPositionLost,
    ordered: definition.order !== 'none',
    batch: definition.batch ?? {},
    flush: {
      intervalMs: definition.flush?.intervalMs ?? 1000,
      maxMessages: definition.flush?.maxMessages ?? defaultFlushMessages,
      maxBytes: definition.flush?.maxBytes ?? budget.maxBytes / 2,
    },
    retry: { ...retryDefaults, ...definition.retry },
    budget,
    messagesPerSecond: definition.rateLimit?.messagesPerSecond,
    timeoutMs: definition.timeoutMs ?? 30_000,
    writeTimeoutMs: definition.timeoutMs ?? 30_000,
    openTimeoutMs: definition.openTimeoutMs ?? 30_000,
    shutdownTimeoutMs: definition.shutdownTimeoutMs ?? 25_000,
    settles: 'always',
    onEnd: undefined,
    clock: definition.clock ?? systemClock,
    emit: definition.onEvent ?? (() => undefined),
  };
}

/** What the sinks want under way, and at least two writes: one is gathered while the other is done. */
function budgetMessages(owners: readonly Owner[], branches: readonly BranchPlan[]): number {
  if (owners.includes('none')) return unrepeatableBudgetMessages;
  const wanted = branches.map(({ sink: { capabilities } }) => {
    const { preferred, overlap } = capabilities;
    return preferred.maxMessages * Math.max(2, overlap === 'none' ? 1 : preferred.maxInFlight);
  });
  return Math.max(leastBudgetMessages, ...wanted);
}

function oneOrSeveral<T extends object>(
  pipeline: string,
  part: 'source' | 'sink',
  one: T | undefined,
  several: Readonly<Record<string, T>> | undefined,
): [string, T][] {
  if ((one === undefined) === (several === undefined)) {
    throw invalid(
      `pipeline "${pipeline}" needs ${part === 'source' ? 'a "source" or "sources"' : 'a "sink" or "sinks"'}, and not both`,
    );
  }
  const entries = one === undefined ? Object.entries(several ?? {}) : ([[part, one]] satisfies [string, T][]);
  if (entries.length === 0) throw invalid(`pipeline "${pipeline}" has no ${part}: "${part}s" is empty`);
  for (const [id] of entries) {
    if (!/^[\w-]+$/.test(id))
      throw invalid(`${part} id "${id}" of pipeline "${pipeline}" must be letters, digits, "_" or "-"`);
  }
  return entries;
}

interface NamedBranch {
  readonly id: string;
  readonly branch: BranchDefinition;
}

function branchOf(
  definition: PipelineDefinition,
  { id, branch }: NamedBranch,
  sources: readonly [string, Source][],
): BranchPlan {
  const { sink } = branch;
  const steps: Step[] = [];
  const several = definition.sinks !== undefined && Object.keys(definition.sinks).length > 1;
  // With one sink the payload was decoded before the pipeline's transforms; see sourceSteps.
  if (several && sink.capabilities.payload === 'value') steps.push(decodeStep(codecOf(sink.options.codec ?? 'json')));
  steps.push(...(branch.transforms ?? []));
  if (sink.capabilities.payload === 'bytes')
    steps.push(
      encodeStep(
        encoderOf(
          sink,
          sources.map(([, source]) => source),
        ),
      ),
    );
  else if (!several && sink.options.codec !== undefined) steps.push(decodeStep(codecOf(sink.options.codec)));
  return { id, sink, steps, deadLetter: deadLetterOf(branch.deadLetter) };
}

/** What came in as text goes out as text: the sink's codec, else the one that all sources name, else JSON. */
function encoderOf(sink: Sink, sources: readonly Source[]): Codec {
  if (sink.options.codec !== undefined) return codecOf(sink.options.codec);
  const codecs = new Set(sources.map((source) => source.options.codec));
  const [only] = codecs;
  return codecOf(codecs.size === 1 && only !== undefined && only !== 'bytes' ? only : 'json');
}

function sourceSteps(
  definition: PipelineDefinition,
  source: Source,
  sinks: readonly [string, Sink | BranchDefinition][],
): readonly Step[] {
  const allNeedValues = sinks.every(([, sink]) => ('sink' in sink ? sink.sink : sink).capabilities.payload === 'value');
  const sinkCodec = sinks.length === 1 ? sinkOf(sinks[0]?.[1]).options.codec : undefined;
  // A codec at the one sink takes the place of the default: the transforms then see what the source gave.
  const codec = source.options.codec ?? (allNeedValues && sinkCodec === undefined ? 'json' : undefined);
  const decode = codec === undefined || codec === 'bytes' ? [] : [decodeStep(codecOf(codec))];
  return [...decode, ...(definition.transforms ?? [])];
}

function sinkOf(sink: Sink | BranchDefinition | undefined): Sink {
  if (sink === undefined) throw invalid('a pipeline needs a sink');
  return 'sink' in sink ? sink.sink : sink;
}

function refuseLostChanges(name: string, source: Source, [id, branch]: [string, Sink | BranchDefinition]): void {
  const sink = sinkOf(branch);
  if (!source.capabilities.changes || sink.capabilities.changes) return;
  if (sink.capabilities.payload === 'bytes' && encoderOf(sink, [source]).keepsChanges) return;
  throw invalid(
    `pipeline "${name}": ${source.connector.name} emits changes (create, update, delete), and sink "${id}" (${sink.connector.name}) ` +
      'would lose what they mean. Give the sink codec "change", or a sink that applies changes.',
  );
}

function deadLetterOf(definition: DeadLetterDefinition | undefined): DeadLetterPlan | undefined {
  if (definition === undefined) return undefined;
  const { sink, maxRatio = 0.1, window = 1000 } = definition;
  if (sink.capabilities.payload === 'bytes' && codecOf(sink.options.codec ?? 'json').name === 'text') {
    throw invalid(
      `dead letters are objects, which codec "text" of the ${sink.connector.name} sink cannot write; leave the codec out for JSON`,
    );
  }
  return { sink, maxRatio, window };
}

function invalid(text: string): ConnectorError {
  return new ConnectorError('config_invalid', text);
}
