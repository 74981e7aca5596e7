import type { Behaviour } from './behaviour.js';
import { type Direction, directions, partOf, placeOf, withFunction } from './halves.js';
import { optionsOf } from './subject.js';
import type { Trial } from './trial.js';
import { useOnce } from './use-once.js';
import { withoutWrongPlace, wrongPlace } from './wrong-places.js';

/** What a connector offers beside reading and writing. */
export const checkBehaviours: readonly Behaviour[] = directions.flatMap((direction): Behaviour[] => [
  {
    title: `the check of a ${direction} tells a place that can be used from one that cannot`,
    area: 'open',
    inapplicable: withFunction(direction, 'check'),
    async run(trial) {
      const good = partOf(trial, direction, await placeOf(trial, direction));
      await trial.within(good.check(), 'the check of a place that can be used');
      for (const kind of ['unreachable', 'wrongCredentials', 'missing'] as const) {
        if (withoutWrongPlace(trial, direction, kind) !== undefined) continue;
        const { place, codes, what } = wrongPlace(trial, direction, kind);
        const checked = partOf(trial, direction, place)
          .check()
          .then(() => 'that all is well', codeOf);
        const verdict = await trial.within(checked, `the check of ${what}`);
        if (!codes.some((code) => code === verdict))
          throw new Error(`the check of ${what} says ${verdict}, not ${codes.join(' or ')}`);
      }
    },
  },
  {
    title: `what a ${direction} discovers has names, each once`,
    area: 'open',
    inapplicable: withFunction(direction, 'discover'),
    async run(trial) {
      const part = partOf(trial, direction, await placeOf(trial, direction));
      const names = (await trial.within(part.discover(), 'discover')).map(({ name }) => name);
      if (direction === 'source' && names.length === 0)
        throw new Error('it discovers nothing where there is something');
      const wrong = names.filter((name, index) => name === '' || names.indexOf(name) !== index);
      if (wrong.length > 0) throw new Error(`it discovers "${wrong.join('", "')}", empty or more than once`);
    },
  },
  {
    title: `the teardown of a ${direction} lists what a pipeline made outside, and leaves nothing when it removes`,
    area: 'open',
    inapplicable: withFunction(direction, 'teardown'),
    async run(trial) {
      const place = await useOnce(trial, direction);
      const teardown = (remove: boolean): Promise<readonly string[]> => tearDown(trial, direction, place, remove);
      const listed = await teardown(false);
      if (named(await teardown(false)) !== named(listed)) throw new Error('to list what there is changes it');
      const removed = await teardown(true);
      if (named(removed) !== named(listed))
        throw new Error(`it lists "${listed.join('", "')}" and removes "${removed.join('", "')}"`);
      const left = await teardown(false);
      if (left.length > 0) throw new Error(`it leaves "${left.join('", "')}" when it has removed everything`);
    },
  },
]);

async function tearDown(
  trial: Trial,
  direction: Direction,
  place: { config: unknown; options?: unknown },
  remove: boolean,
): Promise<readonly string[]> {
  const { config } = partOf(trial, direction, place);
  const request = { pipeline: trial.name, id: direction, remove, signal: new AbortController().signal };
  const lines = trial.harness.connector[direction]?.teardown?.(config, optionsOf(place), request);
  return (await trial.within(Promise.resolve(lines), 'teardown')) ?? [];
}

/** Without what is told of each in parentheses: who uses it and how large it is may change by itself. */
function named(lines: readonly string[]): string {
  return lines.map((line) => line.replace(/ \(.*\)$/, '')).join('\n');
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error);
}
