import { inspect } from 'node:util';
import { beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest';
import { z } from 'zod';
import type { SourceCapabilities } from '../src/capabilities.js';
import { secret } from '../src/config.js';
import type { Connector } from '../src/connector.js';
import { defineConnector, isConnector } from '../src/define-connector.js';
import { openSink } from '../src/engine/open-sink.js';
import { readSource } from '../src/engine/read-source.js';
import { ConnectorError } from '../src/error.js';
import type { OpenSink } from '../src/open-sink.js';
import type { ReadBatch } from '../src/read.js';
import type { SinkDriver } from '../src/sink-driver.js';
import type { SourceDriver } from '../src/source-driver.js';
import { plainReading, plainWriting } from '../src/testing/inline-connector.js';

vi.mock('../src/engine/read-source.js');
vi.mock('../src/engine/open-sink.js');

const SourceConfig = z.strictObject({
  queue: z.string(),
  mode: z.enum(['tail', 'once']).default('tail'),
  password: secret(z.string()).optional(),
});
const SinkConfig = z.strictObject({ queue: z.string(), depth: z.int().default(1) });

interface SourceOptions {
  readonly token?: () => string;
}

interface SinkOptions {
  readonly encode?: (text: string) => Uint8Array;
}

const reading: SourceCapabilities = { ...plainReading, bounded: false };
const sourceDriver: SourceDriver = { async *read() {}, close: () => Promise.resolve() };
const sinkDriver: SinkDriver = { write: () => Promise.resolve(), close: () => Promise.resolve() };

const acme = defineConnector({
  name: 'acme',
  title: 'Acme queue',
  contract: 1,
  classify: (error) => (error instanceof RangeError ? { code: 'not_connected' } : undefined),
  source: {
    config: SourceConfig,
    capabilities: (config) => {
      expectTypeOf(config).toEqualTypeOf<z.output<typeof SourceConfig>>();
      return { ...reading, bounded: config.mode === 'once' };
    },
    open: (config, options: SourceOptions, context) => {
      expectTypeOf(config).toEqualTypeOf<z.output<typeof SourceConfig>>();
      expectTypeOf(context.pipeline).toBeString();
      return Promise.resolve({ ...sourceDriver, identity: `${config.queue} ${options.token?.()}` });
    },
    check: (config, options, signal) => {
      expectTypeOf(options).toEqualTypeOf<SourceOptions>();
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
      return Promise.reject(new RangeError(`refused ${config.password} ${signal.aborted}`));
    },
    discover: (config) => Promise.resolve([{ name: config.queue }]),
  },
  sink: {
    config: SinkConfig,
    capabilities: (config) => ({
      ...plainWriting,
      preferred: { ...plainWriting.preferred, maxInFlight: config.depth },
    }),
    open: (config, options: SinkOptions) => {
      expectTypeOf(config).toEqualTypeOf<z.output<typeof SinkConfig>>();
      options.encode?.(config.queue);
      return Promise.resolve(sinkDriver);
    },
    discover: () => Promise.reject(new Error('cannot list')),
  },
});

/** What a call throws or rejects with. */
async function failureOf(call: () => unknown): Promise<ConnectorError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof ConnectorError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

beforeEach(() => {
  vi.resetAllMocks();
});

describe('types', () => {
  test('config and options follow from the descriptor', () => {
    expectTypeOf(acme).toEqualTypeOf<Connector<typeof SourceConfig, SourceOptions, typeof SinkConfig, SinkOptions>>();
    expectTypeOf(acme.source).parameter(0).toEqualTypeOf<z.input<typeof SourceConfig>>();
    expectTypeOf(acme.source).parameter(1).toExtend<SourceOptions | undefined>();
    expectTypeOf(acme.source).toBeCallableWith({ queue: 'a' }, { token: () => 'x', codec: 'json' });
    // @ts-expect-error queue is not a number
    expect(() => acme.source({ queue: 1 })).toThrow(ConnectorError);
    // @ts-expect-error there is no such option
    expect(acme.sink({ queue: 'a' }, { encod: 1 }).direction).toBe('sink');
  });

  test('a connector of one direction needs no types of the other', () => {
    const reader = defineConnector({
      name: 'reader',
      title: 'Reader',
      contract: 1,
      source: {
        config: SourceConfig,
        capabilities: (config) => ({ ...reading, bounded: config.mode === 'once' }),
        open: (config, _options, context) => {
          expectTypeOf(config.queue).toBeString();
          context.notice('opened');
          return Promise.resolve(sourceDriver);
        },
      },
    });
    expectTypeOf(reader.source).toBeCallableWith({ queue: 'a' }, { codec: 'json' });
    expect(reader.source({ queue: 'a' }).capabilities.bounded).toBe(false);
  });
});

describe('defineConnector', () => {
  const half = acme.descriptor.sink;

  test.each([
    [
      0,
      'connector "acme" is written for contract 0, this @sluice/core has contract 1. Install a newer version of the connector',
    ],
    [
      2,
      'connector "acme" is written for contract 2, this @sluice/core has contract 1. Install a newer version of @sluice/core',
    ],
  ])('refuses contract %i and names both versions', async (contract, text) => {
    const error = await failureOf(() =>
      defineConnector({ name: 'acme', title: 'Acme', contract, ...(half && { sink: half }) }),
    );
    expect(error).toMatchObject({ code: 'unsupported', message: text });
  });

  test.each(['Acme', 'acme queue', '', '1acme', 'acme-', '@acme/queue', 'a_b'])(
    'refuses the name "%s"',
    async (name) => {
      const error = await failureOf(() =>
        defineConnector({ name, title: 'Acme', contract: 1, ...(half && { sink: half }) }),
      );
      expect(error).toMatchObject({ code: 'internal' });
      expect(error.message).toContain(`connector "${name}" cannot be named in pipeline files`);
    },
  );

  test('refuses a connector without source and sink', async () => {
    const error = await failureOf(() => defineConnector({ name: 'acme', title: 'Acme', contract: 1 }));
    expect(error).toMatchObject({
      code: 'internal',
      message: expect.stringContaining('neither read nor write') as unknown,
    });
  });

  test('a direction that is missing is unsupported', async () => {
    const { source, sink } = acme.descriptor;
    const writer = defineConnector({ name: 'w', title: 'W', contract: 1, ...(sink && { sink }) });
    expect(await failureOf(() => writer.source({}))).toMatchObject({
      code: 'unsupported',
      message: 'w has no source: it cannot read. Use it as a sink, or another connector',
    });
    const reader = defineConnector({ name: 'r', title: 'R', contract: 1, ...(source && { source }) });
    expect(await failureOf(() => reader.sink({}))).toMatchObject({
      code: 'unsupported',
      message: 'r has no sink: it cannot write. Use it as a source, or another connector',
    });
  });

  test('what it makes is known as a connector, also to another copy of this package', async () => {
    expect(isConnector(acme)).toBe(true);
    expect(isConnector({ ...acme })).toBe(false);
    expect(isConnector(acme.descriptor)).toBe(false);
    expect(isConnector(undefined)).toBe(false);
    vi.resetModules();
    const copy = await import('../src/define-connector.js');
    expect(copy.isConnector(acme)).toBe(true);
  });
});

describe('a source and a sink', () => {
  test('have their parsed config, options, and the capabilities of that config', () => {
    const token = (): string => 'secret';
    const source = acme.source({ queue: 'a', mode: 'once' }, { token, codec: 'json' });
    expect(source).toMatchObject({
      direction: 'source',
      config: { queue: 'a', mode: 'once' },
      options: { token, codec: 'json' },
    });
    expect(source.capabilities.bounded).toBe(true);
    expect(acme.source({ queue: 'a' })).toMatchObject({ config: { queue: 'a', mode: 'tail' }, options: {} });
    expect(acme.sink({ queue: 'a', depth: 3 })).toMatchObject({
      direction: 'sink',
      capabilities: { preferred: { maxInFlight: 3 } },
    });
  });

  test('refuse a config when they are made, with every problem', async () => {
    // A user without types may pass anything.
    const error = await failureOf(() => acme.sink(JSON.parse('{"depth":"x"}') as z.input<typeof SinkConfig>));
    expect(error.code).toBe('config_invalid');
    expect(error.message).toBe(
      'acme sink config is invalid: queue: missing, expected string; depth: expected number, got string "x"',
    );
  });

  test('give the engine all it needs to open a driver', async () => {
    const source = acme.source({ queue: 'a' }, { token: () => 't' });
    const context = {
      pipeline: 'p',
      id: 'source',
      signal: new AbortController().signal,
      metrics: { add: () => undefined, set: () => undefined },
      notice: () => undefined,
    };
    expect(await source.connector.source?.open(source.config, source.options, context)).toMatchObject({
      identity: 'a t',
    });
  });

  test('are read and opened by the engine', async () => {
    const read = (async function* (): AsyncGenerator<ReadBatch, void, undefined> {})();
    const opened: OpenSink = { write: () => Promise.resolve(), close: () => Promise.resolve() };
    vi.mocked(readSource).mockReturnValue(read);
    vi.mocked(openSink).mockResolvedValue(opened);
    const [source, sink] = [acme.source({ queue: 'a' }), acme.sink({ queue: 'a' })];
    expect(source.read({ name: 'n' })).toBe(read);
    expect(readSource).toHaveBeenCalledWith(source, { name: 'n' });
    expect(await sink.open({ name: 'n' })).toBe(opened);
    expect(openSink).toHaveBeenCalledWith(sink, { name: 'n' });
  });

  test('say why they cannot be checked, with a code and without secrets', async () => {
    const source = acme.source({ queue: 'a', password: 'hunter2' });
    const error = await failureOf(() => source.check(AbortSignal.abort()));
    expect(error).toMatchObject({
      code: 'not_connected',
      connector: 'acme',
      direction: 'source',
      operation: 'check',
      message: 'acme source could not check: refused *** true',
    });
    expect(inspect(error, { depth: null })).not.toContain('hunter2');
  });

  test('tell what there is, or why they cannot', async () => {
    expect(await acme.source({ queue: 'a' }).discover()).toEqual([{ name: 'a' }]);
    expect(await failureOf(() => acme.sink({ queue: 'a' }).discover())).toMatchObject({
      code: 'unknown',
      operation: 'discover',
      message: 'acme sink could not discover: cannot list',
    });
  });

  test('are unsupported where the connector has no check or discover', async () => {
    expect(await failureOf(() => acme.sink({ queue: 'a' }).check())).toMatchObject({
      code: 'unsupported',
      connector: 'acme',
    });
  });

  test('carry no secret out of capabilities that fail', async () => {
    const broken = defineConnector({
      name: 'broken',
      title: 'Broken',
      contract: 1,
      source: {
        config: SourceConfig,
        capabilities: (config) => {
          throw new ConnectorError('config_invalid', `${config.password} does not go with ${config.mode}`);
        },
        open: () => Promise.resolve(sourceDriver),
      },
    });
    const error = await failureOf(() => broken.source({ queue: 'a', password: 'hunter2' }));
    expect(error).toMatchObject({ code: 'config_invalid', connector: 'broken', direction: 'source' });
    expect(inspect(error, { depth: null })).not.toContain('hunter2');
    expect(error.message).toBe('broken source could not tell what it can do: *** does not go with tail');
  });
});
