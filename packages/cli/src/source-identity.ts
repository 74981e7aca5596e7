import type { PipelineDefinition, Source } from '@sluice/core';
import { wrapError } from '@sluice/core/driver';

/** The sources of a pipeline by their id. */
export function sourcesOf({ source, sources }: PipelineDefinition): Readonly<Record<string, Source>> {
  return sources ?? (source === undefined ? {} : { source });
}

/**
 * What tells the system of a source from another of its kind, null when nothing does. Opens the source and closes it again,
 * without reading.
 */
export async function sourceIdentity(source: Source): Promise<string | null> {
  const { connector, config, options } = source;
  const context = {
    pipeline: connector.name,
    id: 'source',
    signal: AbortSignal.timeout(30_000),
    metrics: { add: () => undefined, set: () => undefined },
    notice: () => undefined,
  };
  try {
    const driver = await connector.source?.open(config, options, context);
    await driver?.close();
    return driver?.identity ?? null;
  } catch (error) {
    throw wrapError(error, connector.classify, { connector: connector.name, direction: 'source', operation: 'open' });
  }
}
