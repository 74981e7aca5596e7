import type { ErrorCode } from '../error.js';
import type { Message } from '../message.js';

/** Everything that a pipeline asks of the outside world. */
export type OperationName =
  | 'source.open'
  | 'source.check'
  | 'source.partitions'
  | 'source.read'
  | 'source.commit'
  | 'source.close'
  | 'sink.open'
  | 'sink.check'
  | 'sink.write'
  | 'sink.flush'
  | 'sink.claim'
  | 'sink.close'
  | 'store.load'
  | 'store.claim'
  | 'store.save'
  | 'store.release';

/** One request of one instance to the outside world. */
export interface Operation {
  readonly name: OperationName;
  /** Name of the instance that asks. */
  readonly instance: string;
  /** Name of the stream or destination; of the pipeline for a checkpoint store. */
  readonly target: string;
  /** Where the operation belongs to one partition. */
  readonly partition: string | undefined;
  /** What is written. */
  readonly messages: readonly Message[];
}

/** What goes wrong with an operation. `{}` is an operation that goes well. */
export interface Fault {
  /** Milliseconds until the outcome; `Infinity` hangs until it is aborted. Default 0. */
  readonly waitMs?: number;
  /** How long the wait goes on after it was aborted; the outcome is then as scripted. Default 0: the caller sees `aborted` at once. */
  readonly ignoresAbortForMs?: number;
  /**
   * When the operation takes effect. Default: `last` (after the wait) when the outcome is `ok`, which always takes effect, and
   * `never` otherwise.
   */
  readonly effect?: 'first' | 'last' | 'never';
  /**
   * What the caller sees. `crash`: the instance dies. `end`: a read ends by itself. An error code: that error. Default `ok`.
   */
  readonly outcome?: 'ok' | 'crash' | 'end' | ErrorCode;
  /** Messages of a write that fail, by index. After a retryable one, the rest of its partition fails too. */
  readonly failures?: readonly { readonly index: number; readonly code: ErrorCode }[];
}

/** The operation takes `ms` milliseconds. */
export function delay(ms: number): Fault {
  return { waitMs: ms };
}

/** The operation fails and has done nothing. */
export function fail(code: ErrorCode, waitMs = 0): Fault {
  return { waitMs, outcome: code };
}

/** The operation is done, but the caller is told that it failed. */
export function failAfterEffect(code: ErrorCode, waitMs = 0): Fault {
  return { waitMs, effect: 'first', outcome: code };
}

/** Some messages of a write fail, the others are taken over. */
export function failMessages(code: ErrorCode, ...indexes: readonly number[]): Fault {
  return { failures: indexes.map((index) => ({ index, code })) };
}

/** The operation never settles by itself; when it is aborted it settles at once and has done nothing. */
export function hang(): Fault {
  return { waitMs: Number.POSITIVE_INFINITY };
}

/** The operation does not settle until `ms` milliseconds after it was aborted, takes effect then and succeeds. */
export function hangIgnoringAbort(ms: number): Fault {
  return { waitMs: Number.POSITIVE_INFINITY, ignoresAbortForMs: ms };
}

/** The operation is done at once, but the caller hears nothing until it aborts. */
export function hangAfterEffect(): Fault {
  return { waitMs: Number.POSITIVE_INFINITY, effect: 'first' };
}

/** The instance dies just before the operation takes effect. */
export function crash(): Fault {
  return { outcome: 'crash' };
}

/** The instance dies when the operation has taken effect, before it hears of it. */
export function crashAfterEffect(): Fault {
  return { effect: 'first', outcome: 'crash' };
}

/** A read ends by itself. */
export function endRead(): Fault {
  return { outcome: 'end' };
}

/** Which operations a script means: by name, and by target where there are several. */
export type OperationMatch =
  | OperationName
  | { readonly name: OperationName; readonly target?: string; readonly instance?: string };

/** The faults of a system. At first there are none. */
export interface Faults {
  /** The next operations that match get one fault each, in this order; undefined lets one pass. */
  next(match: OperationMatch, ...script: readonly (Fault | undefined)[]): void;
  /** Asked about every operation that no script speaks of, in the order in which they are started. */
  decideBy(decide: (operation: Operation) => Fault | undefined): void;
  /** From now on all goes well. Operations that are under way keep their faults. */
  stop(): void;
  /** The fault of an operation that starts now. */
  take(operation: Operation): Fault | undefined;
}

interface Script {
  readonly match: OperationMatch;
  readonly faults: (Fault | undefined)[];
}

/** Makes an empty set of faults. */
export function createFaults(): Faults {
  let scripts: Script[] = [];
  let decide: ((operation: Operation) => Fault | undefined) | undefined;
  return {
    next(match, ...script) {
      scripts.push({ match, faults: [...script] });
    },
    decideBy(next) {
      decide = next;
    },
    stop() {
      scripts = [];
      decide = undefined;
    },
    take(operation) {
      const script = scripts.find(({ match, faults }) => faults.length > 0 && matches(match, operation));
      return script === undefined ? decide?.(operation) : script.faults.shift();
    },
  };
}

function matches(match: OperationMatch, operation: Operation): boolean {
  if (typeof match === 'string') return match === operation.name;
  return (
    match.name === operation.name &&
    (match.target ?? operation.target) === operation.target &&
    (match.instance ?? operation.instance) === operation.instance
  );
}
