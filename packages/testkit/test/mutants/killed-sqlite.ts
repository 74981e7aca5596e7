import { sqliteConnector } from '../sqlite-connector.js';

// Loaded by the processes that are killed, so each stands under a name of its own.

export const checkpointFirst: typeof import('../sqlite-connector.js').sqlite =
  sqliteConnector('checkpoint before data');
export const dataFirst: typeof import('../sqlite-connector.js').sqlite = sqliteConnector('data before checkpoint');
export const answerFirst: typeof import('../sqlite-connector.js').sqlite = sqliteConnector('answer before data');
