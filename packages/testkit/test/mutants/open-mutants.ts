import { openSync } from 'node:fs';
import { type Classify, ConnectorError, type ErasedConnector } from '@sluice/core/driver';
import { ServerError } from '../door.js';
import { brokenHalves, brokenSink, brokenSource, type Mutant } from './mutant.js';

const never = new AbortController().signal;
/** Longer than all of these tests, so that no timer that one of them has left ends in another one. */
const leftForMs = 600_000;

/** Broken ways to open, to be aborted and to close. */
export const openMutants: readonly Mutant[] = [
  {
    behaviour: 'a source whose system is unreachable says so in bounded time',
    what: 'tries for ever by itself',
    says: /the source fails: nothing came of it/,
    mutate: brokenOpen('source', (open) => async (...request) => {
      try {
        return await open(...request);
      } catch {
        return await new Promise(() => undefined);
      }
    }),
  },
  {
    behaviour: 'a sink whose system is unreachable says so in bounded time',
    what: 'has no words for a refused connection',
    says: /an unreachable system: the code is unknown/,
    mutate: withTable({ REFUSED: 'unknown' }),
  },
  ...(['source', 'sink'] as const).flatMap((direction): Mutant[] => [
    {
      behaviour: `a ${direction} with wrong credentials says so`,
      what: `takes a wrong password of its ${direction} for a lost connection`,
      says: /wrong credentials: the code is not_connected/,
      mutate: withTable({ DENIED: 'not_connected' }),
    },
    {
      behaviour: `a ${direction} says that what its config names does not exist`,
      what: `waits for what the config of its ${direction} names`,
      says: /does not exist: the code is timeout/,
      mutate: withTable({ MISSING: 'timeout' }),
    },
    {
      behaviour: `a ${direction} that was started while its system was down works when the system is back`,
      what: `gives up for good when its ${direction} is refused`,
      says: /connection refused/,
      mutate: withTable({ REFUSED: 'closed' }),
    },
    {
      behaviour: `a ${direction} that is aborted while it opens gives up within a second`,
      what: `does not hear the abort while its ${direction} opens`,
      says: /ends after its abort: nothing came of it within 1000 ms/,
      mutate: brokenOpen(
        direction,
        (open) => (config, options, context) => open(config, options, { ...context, signal: never }),
      ),
    },
    {
      behaviour: `a ${direction} can be closed without having been used, and more than once`,
      what: `fails when its ${direction} is closed again`,
      says: /was closed before/,
      mutate: brokenOpen(direction, (open) => async (...request) => {
        const driver = await open(...request);
        let closed = false;
        return {
          ...driver,
          close: async () => {
            if (closed) throw new ConnectorError('closed', 'it was closed before');
            closed = true;
            await driver.close();
          },
        };
      }),
    },
    {
      behaviour: `the check of a ${direction} tells a place that can be used from one that cannot`,
      what: `checks nothing of its ${direction}`,
      says: /says that all is well/,
      mutate: brokenHalves(() => ({ check: () => Promise.resolve() }), [direction]),
    },
    {
      behaviour: `what a ${direction} discovers has names, each once`,
      what: `discovers everything of its ${direction} twice`,
      says: /empty or more than once/,
      mutate: brokenHalves(
        ({ discover }) => ({
          discover: async (...request) => {
            const found = (await discover?.(...request)) ?? [];
            return [...found, ...found];
          },
        }),
        [direction],
      ),
    },
  ]),
  {
    behaviour: 'the teardown of a source lists what a pipeline made outside, and leaves nothing when it removes',
    what: 'removes nothing',
    says: /it leaves "group of/,
    mutate: brokenHalves(({ teardown }) => ({
      teardown: async (config, options, request) =>
        (await teardown?.(config, options, { ...request, remove: false })) ?? [],
    })),
  },
  {
    behaviour: 'the teardown of a source lists what a pipeline made outside, and leaves nothing when it removes',
    what: 'says of another thing that it removed it',
    says: /and removes "something else"/,
    mutate: brokenHalves(({ teardown }) => ({
      teardown: async (config, options, request) => {
        const lines = (await teardown?.(config, options, request)) ?? [];
        return request.remove ? lines.map(() => 'something else') : lines;
      },
    })),
  },
  {
    behaviour: 'the teardown of a sink lists what a pipeline made outside, and leaves nothing when it removes',
    what: 'removes when it is to list',
    says: /to list what there is changes it/,
    mutate: brokenHalves(
      ({ teardown }) => ({
        teardown: async (config, options, request) =>
          (await teardown?.(config, options, { ...request, remove: true })) ?? [],
      }),
      ['sink'],
    ),
  },
  {
    behaviour: 'a source leaves no socket, timer or file open when it is closed',
    what: 'leaves a timer behind',
    says: /leaves open: 1 of Timeout/,
    mutate: brokenSource((driver) => {
      setTimeout(() => undefined, leftForMs);
      return driver;
    }),
  },
  {
    behaviour: 'a sink leaves no socket, timer or file open when it is closed',
    what: 'leaves a file open',
    says: /leaves open: 1 of .*open-mutants/,
    mutate: brokenSink((driver) => {
      openSync(import.meta.filename, 'r');
      return driver;
    }),
  },
  ...(['source', 'sink'] as const).map(
    (direction): Mutant => ({
      behaviour: `a ${direction} that fails leaves no socket, timer or file open`,
      what: `leaves a timer behind when its ${direction} cannot be opened`,
      says: /leaves open: \d of Timeout/,
      mutate: brokenOpen(direction, (open) => async (...request) => {
        const timer = setTimeout(() => undefined, leftForMs);
        const driver = await open(...request);
        clearTimeout(timer);
        return driver;
      }),
    }),
  ),
  {
    behaviour: 'a read that waits for messages ends within a second when it is aborted, and can be closed',
    what: 'does not hear the abort while it waits for messages',
    says: /a read ends after its abort/,
    mutate: deafReads(),
  },
  {
    behaviour: 'a read that waits for a system that is silent ends within a second when it is aborted',
    what: 'does not hear the abort while its system is silent',
    says: /a read ends after its abort/,
    mutate: deafReads(),
  },
  {
    behaviour: 'a write that waits for a system that is silent ends within a second when it is aborted',
    what: 'does not hear the abort of a write',
    says: /a write ends after its abort/,
    mutate: brokenSink((driver) => ({ ...driver, write: (batch) => driver.write(batch, never) })),
  },
];

function deafReads(): Mutant['mutate'] {
  return brokenSource((driver) => ({
    ...driver,
    read: (partition, position, options) => driver.read(partition, position, { ...options, signal: never }),
  }));
}

/** A connector with another row in its table of errors. */
function withTable(change: Partial<Record<ServerError['code'], ConnectorError['code']>>): Mutant['mutate'] {
  return (connector) => {
    const classify: Classify = (error) => {
      const code = error instanceof ServerError ? change[error.code] : undefined;
      return code === undefined ? connector.classify?.(error) : { code };
    };
    return { ...connector, classify };
  };
}

type Open = (...request: Parameters<Half['open']>) => Promise<Driver>;
type Half = NonNullable<ErasedConnector['source'] | ErasedConnector['sink']>;
type Driver = Awaited<ReturnType<Half['open']>>;

/** A connector one half of which opens in another way. */
function brokenOpen(direction: 'source' | 'sink', change: (open: Open) => Open): Mutant['mutate'] {
  return (connector) => {
    const half = connector[direction];
    if (half === undefined) throw new Error(`no ${direction}`);
    // What opens is the driver of the same half as before.
    return { ...connector, [direction]: { ...half, open: change(half.open as Open) } };
  };
}
