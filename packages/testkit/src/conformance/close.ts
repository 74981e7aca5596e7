import type { Behaviour } from './behaviour.js';
import { firstFailure } from './first-failure.js';
import { directions, openHalf, placeOf, withHalf } from './halves.js';
import { fewestHandles, leftBehind, openHandles, watchTimers } from './open-handles.js';
import { unless } from './subject.js';
import type { Trial } from './trial.js';
import { useOnce } from './use-once.js';
import { wrongPlaces } from './wrong-places.js';

/** What remains when a driver is closed. */
export const closeBehaviours: readonly Behaviour[] = directions.flatMap((direction): Behaviour[] => [
  {
    title: `a ${direction} can be closed without having been used, and more than once`,
    area: 'open',
    inapplicable: withHalf(direction),
    async run(trial) {
      const driver = await openHalf(trial, direction, await placeOf(trial, direction));
      await trial.within(driver.close(), `the first close of the ${direction}`);
      await trial.within(Promise.all([driver.close(), driver.close()]), `the next closes of the ${direction}`);
    },
  },
  {
    title: `a ${direction} leaves no socket, timer or file open when it is closed`,
    area: 'open',
    inapplicable: withHalf(direction),
    timeoutMs: 60_000,
    run: (trial) =>
      expectNothingLeft(trial, `the closed ${direction}`, async () => {
        await trial.remove(await useOnce(trial, direction));
      }),
  },
  {
    title: `a ${direction} that fails leaves no socket, timer or file open`,
    area: 'open',
    inapplicable: (subject) => {
      const places = wrongPlaces(subject).filter((place) => place.direction === direction);
      return withHalf(direction)(subject) ?? unless(places.length > 0, 'its harness has no config that fails');
    },
    timeoutMs: 120_000,
    async run(trial) {
      for (const { place, what, direction: failing } of wrongPlaces(trial)) {
        if (failing !== direction) continue;
        await expectNothingLeft(trial, `the ${direction} that has failed for ${what}`, async () => {
          await firstFailure(trial, direction, place);
        });
      }
    },
  },
]);

/** Does something twice, and looks whether more is open after the second time than after the first. */
async function expectNothingLeft(trial: Trial, who: string, use: () => Promise<void>): Promise<void> {
  await use(); // what is loaded and made once for the process is there from now on
  const before = await fewestHandles();
  const timers = watchTimers();
  trial.finally(timers.forget);
  await use();
  timers.stop();
  const left = async (): Promise<readonly string[]> => {
    const open = leftBehind(before, await openHandles());
    return timers.left() === 0 ? open : [...open, `${timers.left()} of Timeout`];
  };
  const nothing = async (): Promise<boolean> => (await left()).length === 0;
  await trial.until(nothing, `${who} leaves nothing open`).catch(async (cause: unknown) => {
    throw new Error(`${who} leaves open: ${(await left()).join(', ')}`, { cause });
  });
}
