import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type BenchCase, type Measured, runBenchmark } from '../../src/bench/index.js';

const options = { messages: 1000, repeat: 3, json: true };
const usual: Measured = { messages: 1000, messagesPerSecond: 100_000, cpuMicroseconds: 10, peakMiB: 100 };
const log = vi.spyOn(console, 'log');
const table = vi.spyOn(console, 'table');
const error = vi.spyOn(console, 'error');

beforeEach(() => {
  for (const spy of [log, table, error]) spy.mockReset().mockImplementation(() => undefined);
});
afterEach(() => {
  process.exitCode = undefined; // else the tests have failed
});

/** A case whose programs take in each round what is said for them; the first is not to count. */
function caseOf(name: string, rounds: Readonly<Record<string, readonly Partial<Measured>[]>>): BenchCase<string> {
  const left = new Map(Object.entries(rounds).map(([subject, runs]) => [subject, [...runs]]));
  return { name, measure: async (subject) => ({ ...usual, ...left.get(subject)?.shift() }) };
}

interface Printed {
  readonly results: readonly Readonly<Record<string, unknown>>[];
}

function printed(): Printed {
  return JSON.parse(String(log.mock.calls[0]?.[0])) as Printed; // what is not so, the assertions find
}

test('programs take turns, and the first round does not count', async () => {
  const turns: string[] = [];
  const slow = { messagesPerSecond: 1, cpuMicroseconds: 1000, peakMiB: 5000 };
  const { measure } = caseOf('a', {
    loop: [slow, { messagesPerSecond: 90 }, { messagesPerSecond: 110 }, { messagesPerSecond: 80 }],
    pipeline: [slow, { cpuMicroseconds: 12 }, { peakMiB: 120 }, { cpuMicroseconds: 11, peakMiB: 90 }],
  });
  const watched: BenchCase<string> = {
    name: 'a',
    measure: (subject) => {
      turns.push(subject);
      return measure(subject);
    },
  };
  await runBenchmark({ name: 'some', byHand: ['loop'], cases: [watched] }, options);
  expect(turns).toEqual(Array.from({ length: 4 }, () => ['loop', 'pipeline']).flat());
  expect(printed()).toEqual({
    benchmark: 'some',
    messages: 1000,
    results: [
      {
        task: 'a',
        'loop messages/s': 90,
        'pipeline messages/s': 100_000,
        ratio: 1111.111,
        'loop CPU us/message': 10,
        'pipeline CPU us/message': 11,
        'added CPU us/message': 1,
        'added peak MiB': 20,
        met: true,
      },
    ],
  });
  expect(process.exitCode).toBeUndefined();
});

test('what misses its target is said and ends with code 1, and the other cases are measured', async () => {
  const half = Array.from({ length: 4 }, () => ({ messagesPerSecond: 50_000 }));
  const cases = [caseOf('slow', { pipeline: half }), caseOf('fast', {})];
  await runBenchmark({ name: 'some', byHand: ['loop'], unit: 'row', cases }, options);
  expect(printed().results.map(({ met }) => met)).toEqual([false, true]);
  expect(error).toHaveBeenCalledWith(expect.stringMatching(/ratio of 0\.95.* per row.* 96 MiB/));
  expect(process.exitCode).toBe(1);
});

test('a lower target is met by less', async () => {
  const cases = [caseOf('slow', { pipeline: Array.from({ length: 4 }, () => ({ messagesPerSecond: 90_000 })) })];
  await runBenchmark({ name: 'some', byHand: ['loop'], targetRatio: 0.9, cases }, options);
  expect(process.exitCode).toBeUndefined();
});

test('of several programs by hand the first counts, and the table names the ratio to each', async () => {
  const cases = [caseOf('a', { quick: Array.from({ length: 4 }, () => ({ messagesPerSecond: 200_000 })) })];
  await runBenchmark({ name: 'some', byHand: ['slow', 'quick'], cases }, { ...options, json: false });
  expect(table).toHaveBeenCalledWith({
    a: expect.objectContaining({ 'ratio to slow': 1, 'ratio to quick': 0.5, 'quick messages/s': 200_000, met: true }),
  });
  expect(log).not.toHaveBeenCalled();
});

test('a case is prepared before it and cleared up after it, also when it cannot be measured', async () => {
  const events: string[] = [];
  async function* cases(): AsyncGenerator<BenchCase<string>> {
    for (const name of ['a', 'b']) {
      events.push(`prepare ${name}`);
      try {
        yield {
          name,
          measure: async () => {
            if (name === 'b') throw new Error('no more room');
            return usual;
          },
          more: async () => {
            events.push(`more of ${name}`);
            return { share: 3 };
          },
        };
      } finally {
        events.push(`clear up ${name}`);
      }
    }
  }
  const run = runBenchmark({ name: 'some', byHand: ['loop'], cases: cases() }, options);
  await expect(run).rejects.toMatchObject({
    message: '"b" could not be measured: loop',
    cause: expect.objectContaining({ message: 'no more room' }),
  });
  expect(events).toEqual(['prepare a', 'more of a', 'clear up a', 'prepare b', 'clear up b']);
});
