import type { SinkPositions } from '@sluice/core/driver';
import { quotedTable } from '../identifier.js';
import type { PostgresOptions } from '../options.js';
import { openSession } from '../sink.js';
import type { PostgresSinkSettings } from '../sink-config.js';
import { changePositions, readPositions } from './position-table.js';

/** The positions beside the rows, for tools. */
export const sinkPositions: SinkPositions<PostgresSinkSettings, PostgresOptions> = {
  load: async (config, options, pipeline) => {
    const session = await openSession(config, options, 'sluice positions');
    try {
      return await readPositions(session, quotedTable(config.positionsTable), pipeline);
    } finally {
      await session.close();
    }
  },
  change: async (config, options, pipeline, change) => {
    const session = await openSession(config, options, 'sluice positions');
    try {
      await changePositions(session, quotedTable(config.positionsTable), pipeline, change);
    } finally {
      await session.close();
    }
  },
};
