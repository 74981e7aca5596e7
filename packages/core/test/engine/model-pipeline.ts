import type { Message } from '../../src/message.js';
import { type Pipeline, pipeline } from '../../src/pipeline.js';
import type { BranchDefinition, PipelineDefinition, PipelineEvent } from '../../src/pipeline-definition.js';
import {
  keyText,
  type MemoryConnector,
  type MemoryInstance,
  type MemorySystem,
  memoryConnector,
} from '../../src/testing/index.js';
import { flatMap, map, type Transform } from '../../src/transform.js';
import type { History, MessageKind } from './history.js';
import type { MendedMessages } from './mended-messages.js';
import { outputsOf } from './model-message.js';
import type { PlayedSource } from './played-source.js';

/** How long a call of the outside world may take. */
export const writeTimeoutMs = 6000;
/** How long a run that was stopped may take. */
export const shutdownTimeoutMs = 25_000;

/** Where a pipeline runs and what it reads. */
export interface Surroundings {
  readonly system: MemorySystem;
  readonly instance: MemoryInstance;
  readonly sources: readonly PlayedSource[];
  readonly mended: MendedMessages;
}

/** The pipeline of a history, as one instance runs it. */
export function definePipeline(
  { system, instance, sources, mended }: Surroundings,
  history: History,
  onEvent: (event: PipelineEvent) => void,
): Pipeline {
  const memory = memoryConnector(system, instance);
  const [first, second] = history.sinks.map((sink, index) => memory.sink({ ...sink, destination: `out${index}` }));
  const read = sources.map(({ id, stream, config }) => [id, memory.source({ ...config, stream })] as const);
  const [[, only] = [], another] = read;
  if (first === undefined || only === undefined) throw new Error('a history has a source and a sink');
  const steps = { history, instance, mended };
  const [late, early] = [checkOf(steps, 'throwLate'), checkOf(steps, 'throwFirst')];
  const head: BranchDefinition = {
    sink: first,
    transforms: second === undefined ? [early, late] : [early],
    ...(history.onInvalid === 'stopUnlessFirst' ? lettersOf(memory, history) : {}),
  };
  return pipeline({
    name: 'model',
    ...(another === undefined ? { source: only } : { sources: Object.fromEntries(read) }),
    transforms: transformsOf(steps),
    // The id of an only sink tells the memory system that its positions are kept with its data.
    sinks: second === undefined ? { sink: head } : { a: head, b: { sink: second, transforms: [late] } },
    ...(history.onInvalid === undefined ? lettersOf(memory, history) : {}),
    ...(history.onInvalid === 'drop' ? { onInvalid: 'drop' } : {}),
    ...(history.order === undefined ? {} : { order: history.order }),
    ...(history.onPositionLost === undefined ? {} : { onPositionLost: history.onPositionLost }),
    ...(history.messagesPerSecond === undefined ? {} : { rateLimit: { messagesPerSecond: history.messagesPerSecond } }),
    checkpoints: system.checkpointStore(instance, { exclusive: history.exclusiveStore }),
    budget: history.budget,
    batch: history.batch,
    flush: history.flush,
    retry: { maxDelayMs: 3000, maxAttempts: 100 },
    timeoutMs: writeTimeoutMs,
    shutdownTimeoutMs,
    clock: instance.clock,
    onEvent,
  });
}

function lettersOf(memory: MemoryConnector, history: History): Pick<PipelineDefinition, 'deadLetter'> {
  return { deadLetter: { sink: memory.sink({ ...history.deadLetter, destination: 'dead' }), maxRatio: 1 } };
}

/** What the steps of a pipeline go by. */
interface Steps {
  readonly history: History;
  readonly instance: MemoryInstance;
  readonly mended: MendedMessages;
}

function transformsOf(steps: Steps): Transform[] {
  const { history, instance } = steps;
  const spread = (message: Message): readonly Message[] =>
    outputsOf(keyText(message)).map((key) => ({ ...message, key }));
  const expand = !history.asyncTransforms
    ? flatMap(spread)
    : flatMap(async (message) => {
        await instance.clock.yield();
        return spread(message);
      });
  return [checkOf(steps, 'throw'), expand];
}

/** Throws on the messages of a kind that are not mended. */
function checkOf({ history, instance, mended }: Steps, kind: MessageKind): Transform {
  const check = (message: Message): Message => {
    const id = keyText(message);
    if (id.endsWith(`:${kind}`) && !mended.has(id)) throw new Error('a transform threw');
    return message;
  };
  if (!history.asyncTransforms) return map(check);
  return map(async (message) => {
    await instance.clock.yield();
    return check(message);
  });
}
