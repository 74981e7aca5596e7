import { createHash } from 'node:crypto';

/** Safe as it is on every file system, also on those that take `A` and `a` for the same. */
const plainName = /^[a-z0-9_-][a-z0-9._-]{0,99}$/;

/**
 * The file name, without extension, that stands for a pipeline: its name where that is safe, else what is safe of it and a
 * hash. Two pipelines never share one.
 */
export function pipelineFileName(pipeline: string): string {
  if (plainName.test(pipeline)) return pipeline;
  const safe = pipeline.replaceAll(/[^A-Za-z0-9_-]+/g, '-').slice(0, 60);
  // "~" does not occur in a plain name, so that no plain name can look like a hashed one.
  return `${safe}~${createHash('sha256').update(pipeline).digest('hex').slice(0, 16)}`;
}
