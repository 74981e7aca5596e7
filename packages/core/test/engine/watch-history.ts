import type { Message } from '../../src/message.js';
import {
  type IsStored,
  keyText,
  type MemorySystem,
  type SettlingRule,
  watchSettling,
} from '../../src/testing/index.js';
import type { History } from './history.js';
import type { Journal } from './journal.js';
import type { MendedMessages } from './mended-messages.js';
import { isInvalid, isRefused, isRefusedBy, outputsOf, placeOfId, stopsRun } from './model-message.js';
import { isQueue, type PlayedSource } from './played-source.js';

/** What is watched. */
export interface Watched {
  readonly history: History;
  readonly sources: readonly PlayedSource[];
  readonly journal: Journal;
  readonly mended: MendedMessages;
}

/** Lets the destinations refuse what is to be invalid, and watches what is settled while the history runs. */
export function watchHistory(system: MemorySystem, { history, sources, journal, mended }: Watched): void {
  system.destination('out0').refuses = (message) =>
    isRefused(keyText(message)) && !mended.has(keyText(message)) ? 'message_invalid' : undefined;
  const dropsInvalid = history.onInvalid === 'drop';
  if (history.onInvalid === 'stopUnlessFirst') watchLetters(system, { history, sources, journal, mended });
  for (const source of sources) {
    // Nothing is ever settled of a source whose position nobody keeps.
    if (source.owner === 'none') continue;
    watchSettling(system, {
      stream: source.stream,
      sourceId: source.id,
      owner: watchedOwner(source),
      identify,
      begun: (message, stored) =>
        !journal.restarted(source.id) && outputsOf(keyText(message)).some((output) => stored('out0', output)),
      settled(message, stored) {
        const id = keyText(message);
        if (journal.mayBeMissing(id)) return true;
        if (stopsRun(history, id)) return isStoredWhole(history, id, stored);
        const given = dropsInvalid && isInvalid(id) ? true : stored('dead', id);
        if (id.endsWith(':throw') || id.endsWith(':broken')) return given;
        return history.sinks.every((_, index) =>
          outputsOf(id).every((output) =>
            isRefusedBy(index, history, output) ? given : stored(`out${index}`, output),
          ),
        );
      },
    });
  }
}

/** No dead letter is written of what lies behind a message that stops the pipeline: it comes again, and may be valid then. */
function watchLetters(system: MemorySystem, { sources, journal, mended }: Watched): void {
  system.events.listen((event) => {
    if (event.type !== 'operation' || event.phase !== 'start') return;
    const { name, target, messages } = event.operation;
    if (name !== 'sink.write' || target !== 'dead') return;
    for (const id of messages.map((message) => identify(message, target))) {
      const { stream, partition, index } = placeOfId(id);
      const source = sources.find((each) => each.stream === stream);
      // Who reads of these may never have seen what came before.
      if (source === undefined || isQueue(source) || source.owner === 'none') continue;
      const before = system.stream(stream).log(partition).entries.slice(0, index);
      const stop = before.map(({ message }) => keyText(message)).find((each) => mended.stops(each));
      if (stop !== undefined && !journal.mayBeMissing(stop))
        system.violations.report(`a dead letter of ${id} is written, which lies behind ${stop}`);
    }
  });
}

/** Whether every sink has everything that a message becomes. */
function isStoredWhole({ sinks }: History, id: string, stored: IsStored): boolean {
  return sinks.every((_, index) => outputsOf(id).every((output) => stored(`out${index}`, output)));
}

function watchedOwner({ owner }: PlayedSource): NonNullable<SettlingRule['owner']> {
  if (owner === 'sink') return { destination: 'out0' };
  return owner === 'store' ? 'store' : 'nobody';
}

/** A message by its key, a dead letter by the key of the message that it holds. */
export function identify(message: Message, destination: string): string {
  if (destination !== 'dead') return keyText(message);
  const letter = message.payload as { message: { key: { value: string } } };
  return letter.message.key.value;
}
