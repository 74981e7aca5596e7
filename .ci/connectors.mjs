import { basename } from 'node:path';

const tools = new Set(['core', 'cli', 'testkit', 'create-sluice-connector']);

/** Whether a folder holds a connector: everything in packages/ does, but the few that do not. */
export function isConnector(folder) {
  return folder.startsWith('packages/') && !tools.has(basename(folder));
}
