import type { Behaviour } from './behaviour.js';
import { expectCode, failedMessages } from './failure.js';
import type { NativeMessage } from './harness.js';
import { nativeMessage, numbered } from './native-messages.js';
import { type OpenedSink, openedSink } from './opened-sink.js';
import { expectStored } from './stored-messages.js';
import { forSink, isUnable } from './subject.js';
import type { Trial } from './trial.js';

/** What a sink does with messages that it cannot store. */
export const writeFailureBehaviours: readonly Behaviour[] = [
  {
    title: 'a failed write names exactly the messages that the system refuses, as invalid, and the others are stored',
    area: 'write',
    inapplicable: forSink(({ harness: { refused } }) => (isUnable(refused) ? refused : undefined)),
    async run(trial) {
      const { refused } = trial.sink.harness;
      if (isUnable(refused)) throw new Error(refused.because);
      const good = numbered(trial, 'good', 8);
      const [a, b] = [refused(), refused()];
      await expectRefused(trial, { written: [a, ...good.slice(0, 5), b, ...good.slice(5)], wrong: [0, 6], good });
    },
  },
  {
    title: 'a sink refuses a missing payload that its system cannot tell from an empty one',
    area: 'write',
    inapplicable: forSink(({ harness, capabilities: { idempotent } }) => {
      if (idempotent === 'key') return { because: 'a message without payload deletes what is stored under its key' };
      return harness.carries.nullPayload ? { because: 'its system has messages without payload' } : undefined;
    }),
    run: (trial) => expectOneRefused(trial, 'null', null),
  },
  {
    title: 'a sink refuses an empty payload that its system has no form for',
    area: 'write',
    inapplicable: forSink(({ harness }) =>
      harness.carries.emptyPayload ? { because: 'its system has empty payloads' } : undefined,
    ),
    run: (trial) => expectOneRefused(trial, 'empty', new Uint8Array()),
  },
  {
    title: 'a sink refuses a payload above the largest that its system takes',
    area: 'write',
    inapplicable: forSink(({ harness }) =>
      harness.carries.maxPayloadBytes > largestTried
        ? { because: `its system takes more than the ${largestTried} bytes that are tried` }
        : undefined,
    ),
    run: (trial) =>
      expectOneRefused(trial, 'too-large', Buffer.alloc(trial.sink.harness.carries.maxPayloadBytes + 1, 'x')),
  },
  {
    title: 'a sink stores every byte value untouched or refuses it, and refuses those that its system has no form for',
    area: 'write',
    inapplicable: forSink(({ harness }) =>
      harness.carries.anyByte ? { because: 'its system takes every byte' } : undefined,
    ),
    async run(trial) {
      const { carries } = trial.sink.harness;
      const place = await trial.sinkPlace();
      const sink = await openedSink(trial, place);
      const messages = Array.from({ length: 256 }, (_, byte) =>
        nativeMessage(carries, Buffer.from([0x61, byte, 0x62]), `byte-${byte}`, byte),
      );
      const failures = await failedMessages(trial, sink.write(messages), 'a write of every byte value');
      for (const error of failures.values()) expectCode(trial, error, ['message_invalid'], 'a byte without form');
      const stored = messages.filter((_, index) => !failures.has(index));
      if (trial.sink.capabilities.atomic) await sink.write(stored);
      await sink.flush();
      await expectStored(place, stored);
    },
  },
];

/** The largest payload that is sent to see it refused. */
const largestTried = 64 * 1024 * 1024;

/** Messages of which some are refused. */
export interface Refusal {
  readonly written: readonly NativeMessage[];
  /** Indexes of the messages that must be refused. */
  readonly wrong: readonly number[];
  readonly good: readonly NativeMessage[];
}

async function expectOneRefused(trial: Trial, name: string, payload: NativeMessage['payload']): Promise<void> {
  const good = numbered(trial, 'good', 4);
  const { carries } = trial.sink.harness;
  const wrong = nativeMessage(carries, payload, name, 1);
  await expectRefused(trial, { written: [...good.slice(0, 2), wrong, ...good.slice(2)], wrong: [2], good });
}

/** Writes good and bad messages together, and looks at what is said about them and what is stored. */
export async function expectRefused(trial: Trial, { written, wrong, good }: Refusal): Promise<void> {
  const place = await trial.sinkPlace();
  const sink = await openedSink(trial, place);
  const what = `a write in which messages ${wrong.join(', ')} are wrong`;
  const failures = await failedMessages(trial, sink.write(written), what);
  if ([...failures.keys()].join() !== wrong.join())
    throw new Error(`${what} names ${[...failures.keys()].join(', ') || 'none'}`);
  for (const error of failures.values()) expectReason(trial, error);
  await goOn(trial, sink, good);
  await expectStored(place, good);
}

function expectReason(trial: Trial, error: Error): void {
  expectCode(trial, error, ['message_invalid', 'message_too_large'], 'a message that can never be stored');
  if (error.message.trim() === '' || error.message.includes('\n'))
    throw new Error(`the reason of a refusal must be one line: "${error.message}"`);
}

/** A batch error of an atomic sink means that nothing of the write was taken over, of another that the others were. */
async function goOn(trial: Trial, sink: OpenedSink, good: readonly NativeMessage[]): Promise<void> {
  if (trial.sink.capabilities.atomic) await sink.write(good);
  await sink.flush();
}
