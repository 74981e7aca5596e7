import type { z } from 'zod';
import { parseConfig } from './config.js';
import { type Connector, type ConnectorDescriptor, contractVersion, type Discovered } from './connector.js';
import { openSink } from './engine/open-sink.js';
import { errorWrapper } from './engine/part-error.js';
import { readSource } from './engine/read-source.js';
import { ConnectorError, wrapError } from './error.js';
import { redactError, secretsOf } from './redact.js';
import type { Sink } from './sink.js';
import type { Source } from './source.js';

const mark = Symbol.for('@sluice/core/Connector');

/**
 * Makes a connector of its descriptor. Opens nothing: sources and sinks check their config when they are made, and connect
 * when they are read or opened.
 *
 * @throws {ConnectorError} `unsupported` when the descriptor was written for another version of the contract
 * @throws {ConnectorError} `internal` when its name cannot stand in pipeline files or it has neither source nor sink
 */
export function defineConnector<
  SourceSchema extends z.ZodType,
  SourceOptions,
  SinkSchema extends z.ZodType,
  SinkOptions,
>(
  descriptor: ConnectorDescriptor<SourceSchema, SourceOptions, SinkSchema, SinkOptions>,
): Connector<SourceSchema, SourceOptions, SinkSchema, SinkOptions> {
  checkContract(descriptor);
  checkShape(descriptor);
  const { name, title } = descriptor;
  const connector: Connector<SourceSchema, SourceOptions, SinkSchema, SinkOptions> = {
    name,
    title,
    descriptor,
    source(config, options) {
      if (!descriptor.source) throw missingDirection(name, 'source', 'read. Use it as a sink');
      const source: Source = {
        direction: 'source',
        connector: descriptor,
        ...configured({ connector: name, direction: 'source' }, descriptor.source, config),
        options: options ?? {},
        read: (settings) => readSource(source, settings),
        check: (signal) => check(source, signal),
        discover: (signal) => discover(source, signal),
      };
      return source;
    },
    sink(config, options) {
      if (!descriptor.sink) throw missingDirection(name, 'sink', 'write. Use it as a source');
      const sink: Sink = {
        direction: 'sink',
        connector: descriptor,
        ...configured({ connector: name, direction: 'sink' }, descriptor.sink, config),
        options: options ?? {},
        open: (settings) => openSink(sink, settings),
        check: (signal) => check(sink, signal),
        discover: (signal) => discover(sink, signal),
      };
      return sink;
    },
  };
  return Object.defineProperty(connector, mark, { value: true });
}

/** Whether a value is a connector that {@link defineConnector} made, also one of another copy of this package. */
export function isConnector(value: unknown): value is Connector<z.ZodType, unknown, z.ZodType, unknown> {
  return typeof value === 'object' && value !== null && mark in value;
}

function checkContract({ name, contract }: { readonly name: string; readonly contract: number }): void {
  if (contract === contractVersion) return;
  const cure = contract < contractVersion ? 'a newer version of the connector' : 'a newer version of @sluice/core';
  const text = `connector "${name}" is written for contract ${contract}, this @sluice/core has contract ${contractVersion}. Install ${cure}`;
  throw new ConnectorError('unsupported', text, { connector: name });
}

function checkShape({
  name,
  source,
  sink,
}: {
  readonly name: string;
  readonly source?: unknown;
  readonly sink?: unknown;
}): void {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    const text = `connector "${name}" cannot be named in pipeline files. Use a name of lower-case letters, digits and "-"`;
    throw new ConnectorError('internal', text);
  }
  if (!source && !sink) {
    const text = `connector "${name}" can neither read nor write. Give its descriptor a source, a sink or both`;
    throw new ConnectorError('internal', text, { connector: name });
  }
}

function missingDirection(name: string, direction: 'source' | 'sink', cannot: string): ConnectorError {
  return new ConnectorError('unsupported', `${name} has no ${direction}: it cannot ${cannot}, or another connector`, {
    connector: name,
    direction,
  });
}

/** A parsed config, and what can be done with it. */
function configured<Schema extends z.ZodType, Capabilities>(
  part: { readonly connector: string; readonly direction: 'source' | 'sink' },
  half: { readonly config: Schema; capabilities(config: z.output<Schema>): Capabilities },
  raw: z.input<Schema>,
): { readonly config: z.output<Schema>; readonly capabilities: Capabilities } {
  const config = parseConfig(half.config, raw, `${part.connector} ${part.direction}`);
  try {
    return { config, capabilities: half.capabilities(config) };
  } catch (error) {
    const wrapped = wrapError(error, undefined, { ...part, operation: 'tell what it can do' });
    throw redactError(wrapped, secretsOf(half.config, config));
  }
}

async function check(part: Source | Sink, signal = new AbortController().signal): Promise<void> {
  const half = part.connector[part.direction];
  if (!half?.check) throw missingFunction(part, 'checked');
  try {
    await half.check(part.config, part.options, signal);
  } catch (error) {
    throw errorWrapper(part)(error, 'check');
  }
}

async function discover(part: Source | Sink, signal = new AbortController().signal): Promise<readonly Discovered[]> {
  const half = part.connector[part.direction];
  if (!half?.discover) throw missingFunction(part, 'asked what there is');
  try {
    return await half.discover(part.config, part.options, signal);
  } catch (error) {
    throw errorWrapper(part)(error, 'discover');
  }
}

function missingFunction({ connector, direction }: Source | Sink, cannotBe: string): ConnectorError {
  const text = `${connector.name} ${direction} cannot be ${cannotBe}: the connector has no way to do it. Run the pipeline to see`;
  return new ConnectorError('unsupported', text, { connector: connector.name, direction });
}
