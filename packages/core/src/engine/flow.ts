import { ConnectorError } from '../error.js';
import type { Message } from '../message.js';
import type { BatchFailure } from '../sink-driver.js';
import type { Transform } from '../transform.js';

/** Messages on their way through the steps, and which source message each comes from. */
export interface Flow {
  readonly messages: readonly Message[];
  /** Index of the source message of each message; undefined: the same index. */
  readonly origins: readonly number[] | undefined;
}

/** The index of the source message from which `flow.messages[index]` comes. */
export function originOf(flow: Flow, index: number): number {
  return flow.origins === undefined ? index : (flow.origins[index] ?? index);
}

/** A transform, or the work of a codec. */
export type Step = Transform & {
  /** Whether none of these messages needs the step: one question for all of them is faster than one call for each. */
  readonly passes?: (messages: readonly Message[]) => boolean;
};

/**
 * Sends messages through the steps, one step after the other. A message on which a step throws is taken out and added to
 * `failures` under the index of its source message. Returns a promise only when a step returned one.
 */
export function runSteps(flow: Flow, steps: readonly Step[], failures: BatchFailure[]): Flow | Promise<Flow> {
  let current = flow;
  for (let index = 0; index < steps.length; index++) {
    const step = steps[index];
    if (step === undefined || current.messages.length === 0 || step.passes?.(current.messages)) continue;
    const next = runStep(current, step, failures);
    if (next instanceof Promise) return next.then((after) => runSteps(after, steps.slice(index + 1), failures));
    current = next;
  }
  return current;
}

type Result = Message | boolean | readonly Message[];

/** One step on its way through the messages. */
interface Work {
  readonly flow: Flow;
  readonly step: Transform;
  readonly failures: BatchFailure[];
  readonly output: Output;
}

// A loop for each kind: a call that reaches the same function every time is inlined, and most pipelines have one map or filter.
function runStep(flow: Flow, step: Transform, failures: BatchFailure[]): Flow | Promise<Flow> {
  const work: Work = { flow, step, failures, output: new Output(flow) };
  if (step.kind === 'map') return mapAll(work, step);
  if (step.kind === 'filter') return filterAll(work, step);
  return expandAll(work, step);
}

function mapAll(work: Work, step: Transform & { readonly kind: 'map' }): Flow | Promise<Flow> {
  const { messages } = work.flow;
  for (let index = 0; index < messages.length; index++) {
    try {
      const result = step.apply(messages[index] as Message); // index is below length
      if (isThenable(result)) return continueAsync(work, index, result);
      work.output.add(index, asMessage(result));
    } catch (error) {
      fail(work, index, error);
    }
  }
  return work.output.flow();
}

function filterAll(work: Work, step: Transform & { readonly kind: 'filter' }): Flow | Promise<Flow> {
  const { messages } = work.flow;
  for (let index = 0; index < messages.length; index++) {
    const message = messages[index] as Message; // index is below length
    try {
      const result = step.apply(message);
      if (isThenable(result)) return continueAsync(work, index, result);
      if (result) work.output.add(index, message);
      else work.output.drop(index);
    } catch (error) {
      fail(work, index, error);
    }
  }
  return work.output.flow();
}

function expandAll(work: Work, step: Transform & { readonly kind: 'flatMap' }): Flow | Promise<Flow> {
  const { messages } = work.flow;
  for (let index = 0; index < messages.length; index++) {
    try {
      const result = step.apply(messages[index] as Message); // index is below length
      if (isThenable(result)) return continueAsync(work, index, result);
      work.output.expand(index, result);
    } catch (error) {
      fail(work, index, error);
    }
  }
  return work.output.flow();
}

/** Goes on where a step first returned a promise. */
async function continueAsync(work: Work, from: number, first: PromiseLike<Result>): Promise<Flow> {
  const { step, output } = work;
  const { messages } = work.flow;
  for (let index = from; index < messages.length; index++) {
    const message = messages[index] as Message; // index is below length
    try {
      const result = await (index === from ? first : step.apply(message));
      if (step.kind === 'map') output.add(index, asMessage(result));
      else if (step.kind === 'flatMap') output.expand(index, result);
      else if (result) output.add(index, message);
      else output.drop(index);
    } catch (error) {
      fail(work, index, error);
    }
  }
  return output.flow();
}

function fail({ flow, step, failures, output }: Work, index: number, error: unknown): void {
  output.drop(index);
  failures.push({ index: originOf(flow, index), error: transformError(step, error) });
}

/** What a step has let through so far. */
class Output {
  readonly #from: Flow;
  /** A copy has its final size at once in the usual case; what goes on is written over it, and the first {@link #kept} count. */
  readonly #messages: Message[];
  #kept = 0;
  /** Undefined: nothing was dropped or expanded so far. */
  #origins: number[] | undefined;

  constructor(from: Flow) {
    this.#from = from;
    this.#messages = from.messages.slice();
  }

  add(index: number, message: Message): void {
    this.#origins?.push(originOf(this.#from, index));
    this.#messages[this.#kept++] = message;
  }

  expand(index: number, result: unknown): void {
    if (!Array.isArray(result)) throw new TypeError('it returned no array of messages');
    const expanded = result.map(asMessage); // all are looked at before any is kept
    this.drop(index);
    for (const message of expanded) this.add(index, message);
  }

  drop(index: number): void {
    if (this.#origins !== undefined) return;
    this.#origins = [];
    for (let kept = 0; kept < index; kept++) this.#origins.push(originOf(this.#from, kept));
  }

  flow(): Flow {
    this.#messages.length = this.#kept;
    return { messages: this.#messages, origins: this.#origins ?? this.#from.origins };
  }
}

function asMessage(value: unknown): Message {
  if (isMessage(value)) return value;
  throw new TypeError(
    'it returned something that is not a message; make messages with createMessage() or withPayload()',
  );
}

// Reading a property is several times as fast as asking with `in` whether it is there, and this is asked for every message.
function isMessage(value: unknown): value is Message {
  if (typeof value !== 'object' || value === null) return false;
  const { payload, headers } = value as Partial<Message>; // any object may have them; that is the question
  return headers !== undefined && (payload !== undefined || 'payload' in value);
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'; // the same
}

function transformError(step: Transform, error: unknown): unknown {
  if (error instanceof ConnectorError && error.outcome === 'invalid') return error;
  const reason = error instanceof Error ? error.message || error.name : String(error);
  return new ConnectorError('message_invalid', `${step.label ?? step.kind} could not handle the message: ${reason}`, {
    cause: error,
  });
}
