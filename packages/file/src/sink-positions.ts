import { resolve } from 'node:path';
import { ConnectorError, type SinkPositions } from '@sluice/core/driver';
import { checkpointPath, lockOutput } from './atomic-sink.js';
import type { FileSinkSettings } from './config.js';
import { readCheckpoint, writeCheckpoint } from './output-checkpoint.js';

/** The positions beside an output, for tools. What was written and its recorded length stay. */
export const sinkPositions: SinkPositions<FileSinkSettings, unknown> = {
  load: async ({ path }, _options, pipeline) => {
    const stored = await readCheckpoint(checkpointPath(resolve(path)));
    return stored?.pipeline === pipeline ? stored.positions : {};
  },
  change: async ({ path }, _options, pipeline, change) => {
    const output = resolve(path);
    const lock = lockOutput(output);
    try {
      const stored = await readCheckpoint(checkpointPath(output));
      if (stored?.pipeline !== pipeline) {
        throw new ConnectorError(
          'not_found',
          `"${path}" holds no positions of pipeline "${pipeline}" yet. Run it once first.`,
        );
      }
      const positions = change(stored.positions);
      await writeCheckpoint(checkpointPath(output), { ...stored, fence: stored.fence + 1, positions });
    } finally {
      lock.release();
    }
  },
};
