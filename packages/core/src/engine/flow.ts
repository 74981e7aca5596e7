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

/**
 * Sends messages through the steps, one step after the other. A message on which a step throws is taken out and added to
 * `failures` under the index of its source message. Returns a promise only when a step returned one.
 */
export function runSteps(flow: Flow, steps: readonly Transform[], failures: BatchFailure[]): Flow | Promise<Flow> {
  let current = flow;
  for (let index = 0; index < steps.length; index++) {
    const step = steps[index];
    if (step === undefined || current.messages.length === 0) continue;
    const next = runStep(current, step, failures);
    if (next instanceof Promise) return next.then((after) => runSteps(after, steps.slice(index + 1), failures));
    current = next;
  }
  return current;
}

type Result = Message | boolean | readonly Message[];

function runStep(flow: Flow, step: Transform, failures: BatchFailure[]): Flow | Promise<Flow> {
  const output = new Output(flow, step.kind);
  const { messages } = flow;
  for (let index = 0; index < messages.length; index++) {
    const message = messages[index] as Message; // index is below length
    try {
      const result = step.apply(message);
      if (isThenable(result)) return continueAsync(output, { flow, step, failures, index, first: result });
      output.collect(message, index, result);
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
      output.collect(message, index, await (index === from.index ? from.first : step.apply(message)));
    } catch (error) {
      output.drop(index);
      failures.push({ index: originOf(flow, index), error: transformError(step, error) });
    }
  }
  return output.flow();
}

/** What a step has let through so far. Origins are kept only once a message was dropped or expanded. */
class Output {
  readonly #flow: Flow;
  readonly #kind: Transform['kind'];
  readonly #messages: Message[] = [];
  #origins: number[] | undefined;

  constructor(flow: Flow, kind: Transform['kind']) {
    this.#flow = flow;
    this.#kind = kind;
    this.#origins = flow.origins === undefined ? undefined : [];
  }

  collect(message: Message, index: number, result: Result): void {
    if (this.#kind === 'map') this.#keep(asMessage(result), index);
    else if (this.#kind === 'filter') {
      if (result) this.#keep(message, index);
      else this.drop(index);
    } else this.#expand(result, index);
  }

  #keep(message: Message, index: number): void {
    this.#messages.push(message);
    if (this.#origins !== undefined) this.#origins.push(originOf(this.#flow, index));
  }

  #expand(result: Result, index: number): void {
    if (!Array.isArray(result)) throw new ConnectorError('message_invalid', 'flatMap returned no array of messages');
    const messages = result.map(asMessage); // all are looked at before any is kept
    const origins = this.#explicitOrigins(index);
    const origin = originOf(this.#flow, index);
    for (const kept of messages) {
      this.#messages.push(kept);
      origins.push(origin);
    }
  }

  drop(index: number): void {
    this.#explicitOrigins(index);
  }

  #explicitOrigins(index: number): number[] {
    this.#origins ??= Array.from({ length: index }, (_, kept) => kept);
    return this.#origins;
  }

  flow(): Flow {
    return { messages: this.#messages, origins: this.#origins };
  }
}

function asMessage(value: unknown): Message {
  if (typeof value === 'object' && value !== null && 'payload' in value && 'headers' in value) return value as Message;
  throw new ConnectorError('message_invalid', 'a transform returned something that is not a message; make messages with createMessage() or withPayload()');
}

function isThenable(value: Result | PromiseLike<Result>): value is PromiseLike<Result> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function transformError(step: Transform, error: unknown): unknown {
  if (error instanceof ConnectorError && error.outcome === 'invalid') return error;
  const reason = error instanceof Error ? error.message || error.name : String(error);
  return new ConnectorError('message_invalid', `${step.label ?? step.kind} could not handle the message: ${reason}`, { cause: error });
}
