import type { PipelineDefinition, Sink, Source } from '@sluice/core';
import { secretsOf } from '@sluice/core/driver';

/** A source or sink of a pipeline. */
export interface Part {
  /** As the engine names it: `source`, `orders`, `sink`; dead-letter sinks have the id of what they belong to as well. */
  readonly id: string;
  /** Where it stands in the pipeline file: `source`, `sinks.archive`, `deadLetter`. */
  readonly label: string;
  readonly part: Source | Sink;
}

/** Every source, sink and dead-letter sink of a pipeline. */
export function partsOf(definition: PipelineDefinition): readonly Part[] {
  const { source, sources = {}, sink, sinks = {}, deadLetter } = definition;
  return [
    ...(source === undefined ? [] : [{ id: 'source', label: 'source', part: source }]),
    ...Object.entries(sources).map(([id, part]) => ({ id, label: `sources.${id}`, part })),
    ...(sink === undefined ? [] : [{ id: 'sink', label: 'sink', part: sink }]),
    ...Object.entries(sinks).flatMap(([id, branch]): Part[] => {
      if (!('sink' in branch)) return [{ id, label: `sinks.${id}`, part: branch }];
      const own = branch.deadLetter && [{ id, label: `sinks.${id}.deadLetter`, part: branch.deadLetter.sink }];
      return [{ id, label: `sinks.${id}`, part: branch.sink }, ...(own ?? [])];
    }),
    ...(deadLetter === undefined ? [] : [{ id: 'deadLetter', label: 'deadLetter', part: deadLetter.sink }]),
  ];
}

/**
 * Every secret in the configs of a pipeline. Not a password that is the name of its connector, like `postgres`: that stands in
 * many texts, and stars in its place would tell what the password is.
 */
export function secretsIn(definition: PipelineDefinition): readonly string[] {
  return partsOf(definition).flatMap(({ part }) => {
    const schema = part.connector[part.direction]?.config;
    if (schema === undefined) return [];
    return secretsOf(schema, part.config).filter((secret) => secret !== part.connector.name);
  });
}
