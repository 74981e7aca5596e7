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

function runStep(flow: Flow, step: Transform, failures: BatchFailure[]): Flow | Promise<Flow> {
  const output = new Output(flow);
  const { messages } = flow;
  for (let index = 0; index < messages.length; index++) {
    const message = messages[index] as Message; // index is below length
    try {
      const result = step.apply(message);
      if (isThenable(result)) return continueAsync(output, { flow, step, failures, index, first: result });
      output.collect(step.kind, index, result);
    } catch (error) {
      output.drop(index);
      failures.push({ index: originOf(flow, index), error: transformError(step, error) });
    }
  }
  return output.flow();
}

interface Continuation {
  readonly flow: Flow;
  readonly step: Transform;
  readonly failures: BatchFailure[];
  readonly index: number;
  readonly first: PromiseLike<Result>;
}

/** Goes on where a step first returned a promise. */
async function continueAsync(output: Output, from: Continuation): Promise<Flow> {
  const { flow, step, failures } = from;
  for (let index = from.index; index < flow.messages.length; index++) {
    const message = flow.messages[index] as Message; // index is below length
    try {
      output.collect(step.kind, index, await (index === from.index ? from.first : step.apply(message)));
    } catch (error) {
      output.drop(index);
      failures.push({ index: originOf(flow, index), error: transformError(step, error) });
    }
  }
  return output.flow();
}

/** What a step has let through so far. Nothing is copied before the first message that is replaced, dropped or expanded. */
class Output {
  readonly #from: Flow;
  /** Undefined: the same messages so far. Else the first {@link #kept} of them count. */
  #messages: Message[] | undefined;
  #kept = 0;
  /** Undefined: nothing was dropped or expanded so far. */
  #origins: number[] | undefined;

  constructor(from: Flow) {
    this.#from = from;
  }

  collect(kind: Transform['kind'], index: number, result: Result): void {
    if (kind === 'map') this.#replace(index, asMessage(result));
    else if (kind === 'flatMap') this.#expand(index, result);
    else if (!result) this.drop(index);
    else if (this.#messages !== undefined) this.#replace(index, this.#from.messages[index] as Message); // it was just looked at
  }

  #replace(index: number, message: Message): void {
    if (this.#messages === undefined && message === this.#from.messages[index]) return;
    if (this.#origins !== undefined) this.#origins[this.#kept] = originOf(this.#from, index);
    this.#copy(index)[this.#kept++] = message;
  }

  #expand(index: number, result: Result): void {
    if (!Array.isArray(result)) throw new TypeError('it returned no array of messages');
    const expanded = result.map(asMessage); // all are looked at before any is kept
    this.drop(index);
    for (const message of expanded) this.#replace(index, message);
  }

  drop(index: number): void {
    this.#copy(index);
    this.#origins ??= this.#from.origins?.slice(0, index) ?? Array.from({ length: index }, (_, kept) => kept);
  }

  /** A copy of all messages has its final size at once in the usual case; each is then written over the one in its place. */
  #copy(index: number): Message[] {
    if (this.#messages === undefined) {
      this.#messages = this.#from.messages.slice();
      this.#kept = index;
    }
    return this.#messages;
  }

  flow(): Flow {
    if (this.#messages === undefined) return this.#from;
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

function isThenable(value: Result | PromiseLike<Result>): value is PromiseLike<Result> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'; // the same
}

function transformError(step: Transform, error: unknown): unknown {
  if (error instanceof ConnectorError && error.outcome === 'invalid') return error;
  const reason = error instanceof Error ? error.message || error.name : String(error);
  return new ConnectorError('message_invalid', `${step.label ?? step.kind} could not handle the message: ${reason}`, {
    cause: error,
  });
}
