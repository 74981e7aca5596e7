import type { Sink, Source } from '@sluice/core';
import type { Behaviour } from './behaviour.js';
import type { Place, WrongConfig } from './harness.js';
import { isUnable, noSink, noSource } from './subject.js';
import type { OpenSettings, Trial } from './trial.js';

/** A half of a connector. */
export type Direction = 'source' | 'sink';

/** Both halves. */
export const directions: readonly Direction[] = ['source', 'sink'];

/** For behaviours of one half: why it cannot be asked. */
export function withHalf(direction: Direction): Behaviour['inapplicable'] {
  return (subject) => {
    if (subject[direction] !== undefined) return undefined;
    return direction === 'source' ? noSource : noSink;
  };
}

/** For behaviours of one half that need its system to be hurt: why it cannot be asked. */
export function withFaults(direction: Direction): Behaviour['inapplicable'] {
  return (subject) =>
    withHalf(direction)(subject) ?? (isUnable(subject.harness.faults) ? subject.harness.faults : undefined);
}

/** For behaviours of a function that a half may lack: why it cannot be asked. */
export function withFunction(direction: Direction, name: 'check' | 'discover' | 'teardown'): Behaviour['inapplicable'] {
  return (subject) => {
    const has = subject.harness.connector[direction]?.[name] !== undefined;
    return withHalf(direction)(subject) ?? (has ? undefined : { because: `its ${direction} has no ${name}` });
  };
}

/** A new place of a half. */
export function placeOf(trial: Trial, direction: Direction): Promise<Place> {
  return direction === 'source' ? trial.sourcePlace() : trial.sinkPlace();
}

/** A half as what a pipeline takes. */
export function partOf(trial: Trial, direction: Direction, place: WrongConfig): Source | Sink {
  return direction === 'source' ? trial.sourceOf(place) : trial.sinkOf(place);
}

/** Opens a driver of a half. */
export async function openHalf(
  trial: Trial,
  direction: Direction,
  place: WrongConfig,
  settings: OpenSettings = {},
): Promise<{ close(): Promise<void> }> {
  if (direction === 'sink') return await trial.openSink(place, settings);
  return (await trial.openSource(place, settings)).driver;
}
