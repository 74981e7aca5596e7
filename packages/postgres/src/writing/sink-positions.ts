import type { SinkPositions } from '@sluice/core/driver';
import { quotedTable } from '../identifier.js';
import type { PostgresOptions } from '../options.js';
import { openSession } from '../sink.js';
import type { PostgresSinkSettings } from '../sink-config.js';
import { readPositions, replacePositions } from './position-table.js';

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
  save: async (config, options, pipeline, checkpoint) => {
    const session = await openSession(config, options, 'sluice positions');
    try {
      await replacePositions(session, quotedTable(config.positionsTable), pipeline, checkpoint);
    } finally {
      await session.close();
    }
  },
};
