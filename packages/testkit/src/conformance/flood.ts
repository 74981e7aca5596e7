import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Behaviour } from './behaviour.js';
import { readAround, theOnly } from './deliver.js';
import { numberedMessages } from './native-messages.js';
import { forSource } from './subject.js';
import type { Trial } from './trial.js';

const mebibyte = 1024 * 1024;
const floodBytes = 48 * mebibyte;
/** What a client may hold of what nobody has asked for: some fetches of 1 MiB, and their garbage. */
const allowedBytes = 20 * mebibyte;

/** What a source holds while nobody pulls. */
export const floodBehaviours: readonly Behaviour[] = [
  {
    title: 'a source that nobody pulls holds a bounded part of a flood in memory',
    area: 'read',
    inapplicable: forSource(),
    timeoutMs: 120_000,
    async run(trial) {
      const { carries } = trial.source.harness;
      const payloadBytes = Math.min(64 * 1024, carries.maxPayloadBytes);
      const flood = numberedMessages(carries, { count: Math.ceil(floodBytes / payloadBytes), payloadBytes });
      const place = await trial.sourcePlace();
      let before = 0;
      const produce = async (): Promise<void> => {
        await place.produce(flood, place.partitions[0]);
        before = usedBytes();
      };
      const { lease } = theOnly({ place, sent: new Map(), ...(await readAround(trial, place, { produce })) });
      await trial.within(lease.next(), 'a first batch of the flood');
      const grown = (await steadyBytes(trial)) - before;
      if (grown > allowedBytes)
        throw new Error(`it holds ${inMebibytes(grown)} while nobody pulls, above ${inMebibytes(allowedBytes)}`);
    },
  },
];

/** What this process holds, without garbage. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void; // what the flag above brings
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** What is held once that has stopped growing. */
async function steadyBytes({ patienceMs }: Trial): Promise<number> {
  const end = performance.now() + patienceMs;
  let largest = usedBytes();
  for (let quiet = 0; quiet < 5 && performance.now() < end; quiet += 1) {
    await delay(50);
    const now = usedBytes();
    if (now > largest + mebibyte) quiet = 0;
    largest = Math.max(largest, now);
  }
  return largest;
}

function inMebibytes(bytes: number): string {
  return `${Math.round(bytes / mebibyte)} MiB`;
}
