export { type KafkaCheckpointsConfig, kafkaCheckpoints } from './checkpoints/checkpoint-store.js';
export type {
  KafkaConnectionConfig,
  KafkaConnectionSettings,
  KafkaOauth,
  KafkaPassword,
  KafkaTls,
} from './config.js';
export { kafka } from './connector.js';
export type { KafkaOptions } from './options.js';
export type { KafkaSinkConfig, KafkaSinkSettings } from './sink-config.js';
export type { KafkaPartition, KafkaSourceConfig, KafkaSourceSettings, KafkaStart } from './source-config.js';
