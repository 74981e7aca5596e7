export type {
  FileSinkConfig,
  FileSinkSettings,
  FileSourceConfig,
  FileSourceSettings,
  RotateSettings,
} from './config.js';
export { file } from './connector.js';
