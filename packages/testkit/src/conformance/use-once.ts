import { deliver } from './deliver.js';
import type { Direction } from './halves.js';
import type { Place } from './harness.js';
import { numberedMessages } from './native-messages.js';
import { asMessage } from './stored-messages.js';
import type { Trial } from './trial.js';

/** Reads some messages of a new place, or writes some to one, closes everything, and returns the place. */
export async function useOnce(trial: Trial, direction: Direction): Promise<Place> {
  if (direction === 'source') {
    const { place, opened, leases } = await deliver(trial, { count: 10, commits: true });
    for (const lease of leases.values()) await lease.take(10);
    await opened.close();
    return place;
  }
  const place = await trial.sinkPlace();
  const sink = await trial.sinkOf(place).open({ name: trial.name });
  await sink.write(numberedMessages(trial.sink.harness.carries, { count: 10 }).map(asMessage));
  await sink.close();
  return place;
}
