import type { SinkCapabilities, SourceCapabilities } from '../capabilities.js';
import type { Connector, DriverContext, SinkDescriptor, SourceDescriptor } from '../connector.js';
import { defineConnector } from '../define-connector.js';
import {
  type MemorySinkConfig,
  type MemorySourceConfig,
  memorySinkConfig,
  memorySourceConfig,
} from './memory-config.js';
import type { MemoryInstance } from './memory-instance.js';
import { openMemorySink } from './memory-sink.js';
import { openMemorySource } from './memory-source.js';
import type { MemorySystem } from './memory-system.js';

/** The connector of a {@link MemorySystem}. It has no options. */
export type MemoryConnector = Connector<typeof memorySourceConfig, object, typeof memorySinkConfig, object>;

/**
 * The connector by which one instance reads and writes a system. Its config chooses every capability.
 *
 * @example
 * const system = memorySystem();
 * const instance = system.instance('a');
 * const memory = memoryConnector(system, instance);
 * pipeline({
 *   name: 'copy',
 *   source: memory.source({ stream: 'in', bounded: true }),
 *   sink: memory.sink({ destination: 'out' }),
 *   checkpoints: system.checkpointStore(instance),
 *   clock: instance.clock,
 * });
 */
export function memoryConnector(system: MemorySystem, instance: MemoryInstance): MemoryConnector {
  return defineConnector({
    name: 'memory',
    title: 'Memory system',
    contract: 1,
    source: describeSource(system, instance),
    sink: describeSink(system, instance),
  });
}

function describeSource(
  system: MemorySystem,
  instance: MemoryInstance,
): SourceDescriptor<typeof memorySourceConfig, object> {
  return {
    config: memorySourceConfig,
    capabilities: sourceCapabilities,
    async open(config, _options, { pipeline, id, signal }) {
      const stream = system.stream(config.stream);
      const group = stream.group(config.group ?? pipeline);
      if (config.position === 'none') system.unkeptSources.add(`${pipeline}/${id}`);
      await instance.perform({ name: 'source.open', target: config.stream, signal, effect: () => {} });
      return openMemorySource({ ...system, stream, group, config, instance });
    },
    check: (config, _options, signal) =>
      instance.perform({ name: 'source.check', target: config.stream, signal, effect: () => {} }),
    discover: (config) =>
      Promise.resolve(
        system
          .stream(config.stream)
          .partitions()
          .map((name) => ({ name })),
      ),
  };
}

function describeSink(system: MemorySystem, instance: MemoryInstance): SinkDescriptor<typeof memorySinkConfig, object> {
  return {
    config: memorySinkConfig,
    capabilities: sinkCapabilities,
    async open(config, _options, { pipeline, id, signal }: DriverContext) {
      const destination = system.destination(config.destination);
      await instance.perform({ name: 'sink.open', target: config.destination, signal, effect: () => {} });
      const { violations, unkeptSources } = system;
      return openMemorySink({ destination, pipeline, id, config, instance, violations, unkeptSources });
    },
    check: (config, _options, signal) =>
      instance.perform({ name: 'sink.check', target: config.destination, signal, effect: () => {} }),
  };
}

function sourceCapabilities(config: MemorySourceConfig): SourceCapabilities {
  return {
    position: config.position,
    replayable: config.replayable && config.position !== 'none',
    order: config.order,
    bounded: config.bounded,
    window: config.window !== undefined,
    changes: config.changes,
    keyed: config.keyed,
    ...(config.lag ? { lagUnit: 'messages' } : {}),
  };
}

function sinkCapabilities({
  atomic,
  idempotent,
  overlap,
  payload,
  changes,
  preferred,
  limits,
}: MemorySinkConfig): SinkCapabilities {
  const { maxMessages, maxBytes } = limits ?? {};
  return {
    atomic,
    idempotent,
    overlap,
    payload,
    changes,
    preferred,
    limits: {
      ...(maxMessages === undefined ? {} : { maxMessages }),
      ...(maxBytes === undefined ? {} : { maxBytes }),
    },
  };
}
