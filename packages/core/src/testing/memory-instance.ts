import type { Clock } from '../clock.js';
import { ConnectorError } from '../error.js';
import { faultWait } from './fault-wait.js';
import type { Fault, Faults, Operation, OperationName } from './faults.js';
import { mortalClock } from './mortal-clock.js';
import type { SystemEvents } from './system-event.js';
import type { VirtualClock } from './virtual-clock.js';

/**
 * One process, as the outside world sees it. A pipeline runs in one by using its clock and the connectors and stores made for
 * it. After `crash` nothing of it reaches the outside world any more, and nothing it waits for ever happens.
 */
export interface MemoryInstance {
  readonly name: string;
  readonly alive: boolean;
  /** The system's time. It stops for good when the instance crashes. */
  readonly clock: Clock;
  /** Kills the instance between two steps, as `kill -9` would. */
  crash(): void;
  /** Calls `listener` when the instance has crashed. */
  onCrash(listener: () => void): void;
  /** Asks the outside world for something, through the scripted faults. For drivers. */
  perform<T>(request: OperationRequest<T>): Promise<T>;
}

/** What {@link MemoryInstance.perform} does. */
export interface OperationRequest<T> {
  readonly name: OperationName;
  readonly target: string;
  readonly partition?: string;
  readonly messages?: Operation['messages'];
  readonly signal?: AbortSignal | undefined;
  /** Resolves when it is this operation's turn to take effect; rejects when it cannot. */
  turn?(): Promise<void>;
  /** What changes in the outside world, in one step. Throws what the outside world answers. */
  effect(fault: Fault): T;
}

/** What an instance lives in. */
export interface Surroundings {
  readonly clock: VirtualClock;
  readonly faults: Faults;
  readonly events: SystemEvents;
}

/** What the caller of a dead instance waits for. */
export function never(): Promise<never> {
  return new Promise(() => {});
}

/** Starts an instance. */
export function createInstance(name: string, { clock: systemClock, faults, events }: Surroundings): MemoryInstance {
  let alive = true;
  const clock = mortalClock(systemClock);
  const crashListeners: (() => void)[] = [];

  function crash(): void {
    if (!alive) return;
    alive = false;
    clock.stop();
    events.emit({ type: 'crash', at: clock.now(), instance: name });
    for (const listener of crashListeners) listener();
  }

  /** What a dead instance waits for never comes. */
  async function ifAlive<T>(value: T): Promise<T> {
    return await (alive ? value : never());
  }

  async function perform<T>(request: OperationRequest<T>): Promise<T> {
    if (!alive) return await never();
    const { target, partition, messages = [] } = request;
    const operation: Operation = { name: request.name, instance: name, target, partition, messages };
    const fault = faults.take(operation) ?? {};
    const tell = (phase: 'start' | 'effect' | 'end', error?: unknown): void =>
      events.emit({ type: 'operation', at: clock.now(), operation, phase, ...(error === undefined ? {} : { error }) });
    tell('start');
    try {
      const result = await ifAlive(await outcomeOf(request, fault, () => tell('effect')));
      tell('end');
      return result;
    } catch (error) {
      await ifAlive(undefined);
      tell('end', error);
      throw error;
    }
  }

  async function outcomeOf<T>(request: OperationRequest<T>, fault: Fault, tellEffect: () => void): Promise<T> {
    const outcome = fault.outcome ?? 'ok';
    const succeeds = outcome === 'ok' || outcome === 'end';
    const when = succeeds && fault.effect !== 'first' ? 'last' : (fault.effect ?? 'never');
    async function takeEffect(): Promise<T> {
      await request.turn?.();
      if (!alive) return await never(); // asked in the step in which it takes effect
      const effect = request.effect(fault);
      tellEffect();
      return effect;
    }
    await Promise.resolve();
    let result: T | undefined;
    if (when === 'first') result = await takeEffect();
    await faultWait(clock, fault, request.signal);
    if (when === 'last') result = await takeEffect();
    if (outcome === 'crash') crash();
    await ifAlive(undefined);
    // What succeeds has taken effect, first or last, so this is what the effect returned.
    if (outcome === 'ok' || outcome === 'end') return result as T;
    const code = outcome === 'crash' ? 'internal' : outcome;
    throw new ConnectorError(code, `${request.name} of ${request.target} was scripted to fail`);
  }

  return {
    name,
    get alive() {
      return alive;
    },
    clock,
    crash,
    onCrash: (listener) => {
      crashListeners.push(listener);
    },
    perform,
  };
}
