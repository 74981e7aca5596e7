import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { delay, fail, keyText } from '../../src/testing/index.js';
import { expectNoViolations, keys, type World, type WorldDefinition, world } from './world.js';

let here: World;
beforeEach(() => {
  here = world();
  here.system.stream('in').produce('p', []);
  here.system.stream('passing').produce('q', []);
});
afterEach(() => expectNoViolations(here));

/** Reads what can be read again from stream `in`, and what cannot from stream `passing`. */
function both(bounded: boolean): WorldDefinition {
  return {
    sources: {
      log: here.memory.source({ stream: 'in', bounded }),
      passing: here.memory.source({ stream: 'passing', position: 'none', bounded }),
    },
    sink: { flush: true, overlap: 'ordered', limits: { maxMessages: 1 } },
    flush: { intervalMs: 30 },
    onInvalid: 'drop',
  };
}

/** Two messages of one batch: that the sink refuses the first one makes the second one fail when they are under way together. */
function produceRefused(): void {
  here.produce('p', 'refused', 'behind');
  here.system.destination('out').refuses = (message) =>
    keyText(message) === 'refused' ? 'message_invalid' : undefined;
  here.system.faults.decideBy(() => delay(10));
}

describe('after a failure, one write at a time until a flush has brought something further', () => {
  it('comes to an end where a message that the sink refuses makes the one behind it fail', async () => {
    produceRefused();
    await here.system.clock.settle(here.start(both(true)).done, 60_000);
    expect(here.stored()).toEqual(['behind']);
  });

  it('goes on while what was discarded is not read again, whatever else is flushed', async () => {
    produceRefused();
    const produceMore = (): void => {
      here.system.stream('passing').produce('q', [{ key: 'more' }]);
      here.system.clock.after(10, produceMore);
    };
    produceMore();
    const run = here.start(both(false));
    await here.system.clock.run(() => here.stored().includes('behind'), 60_000);
    await run.stop();
    expect(here.writes().filter((written) => written.includes('refused'))).toHaveLength(2);
  });

  it('ends with the flush of what cannot be read again where nothing else was discarded', async () => {
    const run = here.start(both(false));
    for (const key of keys('m', 12)) {
      here.system.faults.next('sink.flush', fail('conflict'));
      here.system.stream('passing').produce('q', [{ key }]);
      await here.system.clock.run(() => here.stored().includes(key), 60_000);
    }
    await run.stop();
    expect(here.stored()).toEqual(keys('m', 12));
  });
});
