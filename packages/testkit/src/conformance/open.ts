import type { Behaviour } from './behaviour.js';
import { asNative, expectMessages } from './comparison.js';
import { firstFailure } from './first-failure.js';
import { type Direction, directions, withFaults } from './halves.js';
import { numberedMessages } from './native-messages.js';
import { asMessage, expectStored } from './stored-messages.js';
import type { Trial } from './trial.js';
import { type WrongKind, withoutWrongPlace, wrongPlace } from './wrong-places.js';

/** How a half opens, and what it says when it cannot. */
export const openBehaviours: readonly Behaviour[] = directions.flatMap((direction) => [
  saysWhyNot(direction, 'unreachable', `a ${direction} whose system is unreachable says so in bounded time`),
  saysWhyNot(direction, 'wrongCredentials', `a ${direction} with wrong credentials says so`),
  saysWhyNot(direction, 'missing', `a ${direction} says that what its config names does not exist`),
  {
    title: `a ${direction} that was started while its system was down works when the system is back`,
    area: 'open',
    inapplicable: withFaults(direction),
    timeoutMs: 90_000,
    run: (trial) => (direction === 'source' ? readsWhenBack(trial) : writesWhenBack(trial)),
  },
]);

function saysWhyNot(direction: Direction, kind: WrongKind, title: string): Behaviour {
  return {
    title,
    area: 'open',
    inapplicable: (subject) => withoutWrongPlace(subject, direction, kind),
    async run(trial) {
      const { place, codes, what } = wrongPlace(trial, direction, kind);
      const { code, message } = await firstFailure(trial, direction, place);
      if (!codes.includes(code)) throw new Error(`${what}: the code is ${code}, not ${codes.join(' or ')}: ${message}`);
      if (message.includes('\n')) throw new Error(`${what}: the error has several lines: ${message}`);
    },
  };
}

/** How long a system may be away before the connector is told; it must survive more than one attempt. */
const attemptsWhileDown = 2;

async function readsWhenBack(trial: Trial): Promise<void> {
  const { harness, capabilities } = trial.source;
  const place = await trial.sourcePlace();
  const sent = numberedMessages(harness.carries, { count: 10 });
  const passing = capabilities.position === 'none';
  if (!passing) await place.produce(sent, place.partitions[0]);
  await trial.faults.cut();
  const stop = new AbortController();
  trial.finally(() => stop.abort());
  const down = countdown(attemptsWhileDown);
  const read: (typeof sent)[number][] = [];
  const reading = (async () => {
    const settings = { name: trial.name, signal: stop.signal };
    const source = trial.sourceOf(place).read({
      ...settings,
      onEvent: (event) => {
        if (event.type === 'degraded') down.tick();
        if (event.type === 'started' && passing) void place.produce(sent, place.partitions[0]);
      },
    });
    for await (const { messages } of source) {
      read.push(...messages.map((message) => asNative(message, harness.carries)));
      if (read.length >= sent.length) break;
    }
  })();
  await trial.within(Promise.race([down.over, reading]), 'the source tries again while its system is down');
  await trial.faults.restore();
  await trial.within(reading, 'the source reads when its system is back', 60_000);
  expectMessages(read, sent, { what: 'what was read', anyOrder: capabilities.order === 'none', repeats: true });
}

async function writesWhenBack(trial: Trial): Promise<void> {
  const place = await trial.sinkPlace();
  const sent = numberedMessages(trial.sink.harness.carries, { count: 10 });
  await trial.faults.cut();
  const stop = new AbortController();
  trial.finally(() => stop.abort());
  const down = countdown(attemptsWhileDown);
  const writing = (async () => {
    const sink = await trial.sinkOf(place).open({ name: trial.name, signal: stop.signal, onRetry: down.tick });
    await sink.write(sent.map(asMessage));
    await sink.close();
  })();
  await trial.within(Promise.race([down.over, writing]), 'the sink tries again while its system is down');
  await trial.faults.restore();
  await trial.within(writing, 'the sink writes when its system is back', 60_000);
  await expectStored(place, sent, { repeats: true });
}

function countdown(from: number): { readonly over: Promise<void>; tick(): void } {
  const over = Promise.withResolvers<void>();
  let left = from;
  return {
    over: over.promise,
    tick: () => {
      left -= 1;
      if (left <= 0) over.resolve();
    },
  };
}
