import type { Message } from '../../src/message.js';
import { audit, keyText, type MemorySystem, type SettlingRule, watchSettling } from '../../src/testing/index.js';
import type { History, ScriptedFault } from './history.js';
import { isRefused, outputsOf } from './model-message.js';
import type { Played } from './play-history.js';

/** Lets the destinations refuse what is to be invalid, and watches what is settled while the history runs. */
export function watchHistory(system: MemorySystem, history: History): void {
  system.destination('out0').refuses = (message) => (isRefused(keyText(message)) ? 'message_invalid' : undefined);
  watchSettling(system, {
    stream: 'in',
    owner: ownerOf(history),
    identify,
    begun: (message, stored) => outputsOf(keyText(message)).some((output) => stored('out0', output)),
    settled(message, stored) {
      const id = keyText(message);
      const dead = stored('dead', id);
      if (id.endsWith(':throw') || id.endsWith(':broken')) return dead;
      return history.sinks.every((_, index) =>
        outputsOf(id).every((output) => (index === 0 && isRefused(output) ? dead : stored(`out${index}`, output))),
      );
    },
  });
}

function ownerOf({ source, sinks }: History): NonNullable<SettlingRule['owner']> {
  if (sinks.length === 1 && sinks[0]?.atomic === true && source.replayable !== false) return { destination: 'out0' };
  return source.position === 'source' ? 'nobody' : 'store';
}

/** A message by its key, a dead letter by the key of the message that it holds. */
function identify(message: Message, destination: string): string {
  if (destination !== 'dead') return keyText(message);
  const letter = message.payload as { message: { key: { value: string } } };
  return letter.message.key.value;
}

/** Everything that is wrong with a history that was played. Empty: all invariants hold. */
export function findProblems(played: Played): string[] {
  const { system, history, problems } = played;
  return [
    ...problems,
    ...system.violations.found,
    ...history.sinks.flatMap((_, index) => findSinkProblems(played, index)),
    ...findMissingLetters(played),
  ];
}

function sourceIds({ system, partitions }: Played): string[][] {
  return partitions.map((partition) =>
    system
      .stream('in')
      .log(partition)
      .entries.map(({ message }) => keyText(message)),
  );
}

function findSinkProblems(played: Played, index: number): string[] {
  const { system, history } = played;
  const name = `out${index}`;
  const arrives = (id: string): string[] =>
    /:(throw|broken|control)$/.test(id) ? [] : outputsOf(id).filter((output) => index > 0 || !isRefused(output));
  const expected = sourceIds(played).map((ids) => ids.flatMap(arrives));
  const arrived = system.destination(name).stored.map(({ message }) => keyText(message));
  const unexpected = arrived.filter((id) => !expected.some((ids) => ids.includes(id)));
  const { lost, duplicated, reordered, stale } = audit(expected, arrived);
  const found = [
    ...lost.map((id) => `${name} lost ${id}`),
    ...unexpected.map((id) => `${name} has ${id}, which nobody sent there`),
  ];
  if (keepsOrder(played)) found.push(...reordered.map((id) => `${name} reordered ${id}`));
  if (keepsOrder(played) && !shared(played))
    found.push(...stale.map((id) => `${name} has an older message after ${id}`));
  if (history.sinks[index] !== undefined && !mayDuplicate(played, index))
    found.push(...duplicated.map((id) => `${name} duplicated ${id}`));
  return found;
}

function findMissingLetters(played: Played): string[] {
  const letters = new Set(played.system.destination('dead').stored.map(({ message }) => identify(message, 'dead')));
  const invalid = sourceIds(played).flatMap((ids) => ids.filter((id) => /:(throw|broken|refuse|refuseOne)$/.test(id)));
  const valid = [...letters].filter((id) => !invalid.includes(id));
  return [
    ...invalid.filter((id) => !letters.has(id)).map((id) => `no dead letter of ${id}`),
    ...valid.map((id) => `a dead letter of ${id}, which is valid`),
  ];
}

function shared({ lives }: Played): boolean {
  return lives.some(({ twin }) => twin);
}

/** Readers that compete for one queue cannot keep its order. */
function keepsOrder(played: Played): boolean {
  return !(played.history.source.replayable === false && shared(played));
}

/** Whether what happened in this history allows a sink to have messages twice. */
function mayDuplicate(played: Played, index: number): boolean {
  const { history, lives } = played;
  const [sink, other] = history.sinks;
  const atomicOwner = other === undefined && sink?.atomic === true && history.source.replayable !== false;
  if (atomicOwner) return false;
  const target = history.sinks[index];
  const flushes = history.sinks.some(({ atomic, flush }) => atomic === true || flush === true);
  const violent = history.events.some(({ action }) => action !== 'produce');
  const deaths = lives.some(({ end }) => end !== 'resolved');
  return (
    violent ||
    deaths ||
    target === undefined ||
    failsLaterWrites(history) ||
    history.faults.some((fault) => mayRepeat(fault, flushes))
  );
}

/** An invalid message fails the writes behind it in an ordered sink; of one with flush all is read again then. */
function failsLaterWrites({ sinks, partitions }: History): boolean {
  const ordered = sinks.some(
    ({ atomic, flush, overlap }) => overlap === 'ordered' && (atomic === true || flush === true),
  );
  return ordered && partitions.flat().some((kind) => kind === 'refuse' || kind === 'refuseOne');
}

/** Whether a fault makes the engine write again what may have been stored. A mere delay, or a clean failure, does not. */
function mayRepeat({ name, fault }: ScriptedFault, flushes: boolean): boolean {
  if (fault.outcome === 'crash' || (fault.waitMs ?? 0) > 3000) return true;
  const clean = fault.effect === undefined || fault.effect === 'never';
  if (name === 'sink.open' || name === 'source.open') return false;
  if (fault.outcome === undefined && fault.failures === undefined) return false;
  if (name === 'sink.write') return flushes || !clean;
  return name === 'sink.flush' || name.startsWith('source.') ? true : name === 'sink.claim' && flushes;
}
