import type { MemorySystem } from '../../src/testing/index.js';
import type { History } from './history.js';
import type { Journal } from './journal.js';
import type { NamedFault } from './random-faults.js';

interface Script {
  readonly system: MemorySystem;
  readonly history: History;
  readonly random: () => number;
  readonly journal: Journal;
}

/** Gives operations the faults of a history, and every other one a latency by chance. Returns what lets the next operation of a name fail. */
export function scriptFaults({ system, history, random, journal }: Script): (next: NamedFault) => void {
  const counts = new Map<string, number>();
  const nexts: NamedFault[] = [];
  system.faults.decideBy((operation) => {
    const nth = counts.get(operation.name) ?? 0;
    counts.set(operation.name, nth + 1);
    const next = nexts.findIndex(({ name }) => name === operation.name);
    const [scripted = history.faults.find((each) => each.name === operation.name && each.nth === nth)] =
      next < 0 ? [] : nexts.splice(next, 1);
    if (scripted !== undefined) journal.scripted(operation, scripted.fault);
    return scripted?.fault ?? { waitMs: Math.floor(random() * history.latencyMs) };
  });
  return (each) => nexts.push(each);
}
