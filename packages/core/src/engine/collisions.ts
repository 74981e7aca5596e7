import type { SinkTarget } from '../connector.js';
import { type ConfigIssue, ConnectorError } from '../error.js';
import type { PipelineDefinition } from '../pipeline-definition.js';
import type { Sink } from '../sink.js';
import type { Source } from '../source.js';
import { errorWrapper } from './part-error.js';

/** A source or sink, and where it stands in the definition. */
interface Placed<Part> {
  readonly path: readonly string[];
  readonly part: Part;
}

interface Writer extends Placed<Sink> {
  readonly targets: readonly SinkTarget[];
}

/**
 * Refuses a pipeline that would read what it writes, or whose sinks would damage each other's output.
 *
 * @throws {ConnectorError} `config_invalid` with every such case
 */
export async function refuseCollisions(definition: PipelineDefinition): Promise<void> {
  const writers = await Promise.all(sinksOf(definition).map(asWriter));
  const issues = [
    ...(await Promise.all(sourcesOf(definition).map((source) => loopsOf(source, writers)))).flat(),
    ...clashesOf(writers),
  ];
  if (issues.length === 0) return;
  const text = issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; ');
  throw new ConnectorError('config_invalid', `pipeline "${definition.name}": ${text}`, { issues });
}

async function asWriter({ path, part }: Placed<Sink>): Promise<Writer> {
  try {
    return { path, part, targets: (await part.connector.sink?.writes?.(part.config, part.options)) ?? [] };
  } catch (error) {
    throw errorWrapper(part)(error, 'tell what it writes to');
  }
}

async function loopsOf({ path, part }: Placed<Source>, writers: readonly Writer[]): Promise<readonly ConfigIssue[]> {
  const { connector, config, options } = part;
  const issues: ConfigIssue[] = [];
  for (const writer of writers.filter((each) => each.part.connector.name === connector.name)) {
    for (const { name } of writer.targets) {
      try {
        if ((await connector.source?.reads?.(config, options, name)) !== true) continue;
      } catch (error) {
        throw errorWrapper(part)(error, 'tell what it reads');
      }
      const message = `writes to "${name}", which ${path.join('.')} reads: the pipeline would read its own output. Write to another place, or read less`;
      issues.push({ path: writer.path, message });
      break;
    }
  }
  return issues;
}

function clashesOf(writers: readonly Writer[]): readonly ConfigIssue[] {
  return writers.flatMap(({ path, part, targets }, index) => {
    for (const other of writers.slice(0, index)) {
      if (other.part.connector.name !== part.connector.name) continue;
      const clash = targets.find(({ name, isShared }) =>
        other.targets.some((target) => target.name === name && !(isShared && target.isShared)),
      );
      if (clash === undefined) continue;
      const message = `writes to "${clash.name}", which ${other.path.join('.')} writes to as well: they would damage each other's output. Give each a place of its own`;
      return [{ path, message }];
    }
    return [];
  });
}

function sourcesOf({ source, sources = {} }: PipelineDefinition): readonly Placed<Source>[] {
  const several = Object.entries(sources).map(([id, part]) => ({ path: ['sources', id], part }));
  return source === undefined ? several : [{ path: ['source'], part: source }];
}

function sinksOf({ sink, sinks = {}, deadLetter }: PipelineDefinition): readonly Placed<Sink>[] {
  const several = Object.entries(sinks).flatMap(([id, branch]): Placed<Sink>[] => {
    const path = ['sinks', id];
    if (!('sink' in branch)) return [{ path, part: branch }];
    const own = branch.deadLetter && { path: [...path, 'deadLetter'], part: branch.deadLetter.sink };
    return [{ path, part: branch.sink }, ...(own === undefined ? [] : [own])];
  });
  return [
    ...(sink === undefined ? several : [{ path: ['sink'], part: sink }]),
    ...(deadLetter === undefined ? [] : [{ path: ['deadLetter'], part: deadLetter.sink }]),
  ];
}
