import { isDeepStrictEqual } from 'node:util';
import { createMessage, type Message, type Value } from '@sluice/core/driver';
import type { Behaviour } from './behaviour.js';
import { expectCode, failedMessages } from './failure.js';
import type { ValuePlace } from './harness.js';
import { type OpenedSink, openedSink } from './opened-sink.js';
import { forSink, isUnable, unableOf } from './subject.js';
import type { Trial } from './trial.js';

/** What a sink does with payloads that are decoded. */
export const valueWriteBehaviours: readonly Behaviour[] = [
  {
    title: 'a sink that takes values stores each as it was given',
    area: 'write',
    inapplicable: forValues(),
    async run(trial) {
      const { place, sink } = await valueSink(trial);
      await sink.writeMessages(messagesOf(place.values));
      await sink.flush();
      await expectValues(place);
    },
  },
  {
    title: 'a sink that takes values names those that its system has no form for, as invalid, and stores the others',
    area: 'write',
    inapplicable: forValues(),
    async run(trial) {
      const { place, sink } = await valueSink(trial);
      const written = [place.refusedValue, ...place.values, place.refusedValue];
      const what = 'a write whose first and last value do not fit';
      const failures = await failedMessages(trial, sink.writeMessages(messagesOf(written)), what);
      const named = [...failures.keys()];
      if (named.join() !== `0,${written.length - 1}`) throw new Error(`${what} names ${named.join(', ')}`);
      for (const error of failures.values()) expectCode(trial, error, ['message_invalid'], 'a value without form');
      if (trial.sink.capabilities.atomic) await sink.writeMessages(messagesOf(place.values));
      await sink.flush();
      await expectValues(place);
    },
  },
];

function forValues(): Behaviour['inapplicable'] {
  return forSink(({ harness }) => unableOf(harness.createValuePlace, 'it takes payloads as bytes'));
}

async function valueSink(trial: Trial): Promise<{ readonly place: ValuePlace; readonly sink: OpenedSink }> {
  const { createValuePlace } = trial.sink.harness;
  if (createValuePlace === undefined || isUnable(createValuePlace)) throw new Error('there is no place for values');
  const place = await createValuePlace();
  trial.finally(() => trial.remove(place));
  const { payload } = trial.sinkOf(place).capabilities;
  if (payload !== 'value') throw new Error(`it says that payloads arrive as ${payload}, where values are to be stored`);
  return { place, sink: await openedSink(trial, place) };
}

/** Each under a key of its own. */
function messagesOf(values: readonly Value[]): Message[] {
  return values.map((payload, index) => createMessage({ key: Buffer.from(`key-${index}`), payload }));
}

async function expectValues(place: ValuePlace): Promise<void> {
  const stored = await place.storedValues();
  if (isDeepStrictEqual(stored, place.values)) return;
  const at = place.values.findIndex((value, index) => !isDeepStrictEqual(value, stored[index]));
  throw new Error(
    `${stored.length} values are stored instead of ${place.values.length}, and the one at ${at} is not as it was given`,
  );
}
