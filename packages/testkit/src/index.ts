export { type Certificate, type CertificateAuthority, createCertificateAuthority } from './certificates.js';
export type { Behaviour } from './conformance/behaviour.js';
export { behaviours } from './conformance/behaviours.js';
export { type ConformanceSettings, conformance } from './conformance/conformance.js';
export type {
  Carries,
  Faults,
  Harness,
  NativeMessage,
  OpenHarness,
  Place,
  SinkHarness,
  SinkPlace,
  SourceHarness,
  SourcePlace,
  Unable,
  ValuePlace,
  WrongConfig,
} from './conformance/harness.js';
export {
  type CutMode,
  type FaultProxy,
  type FaultProxyOptions,
  type Latency,
  startFaultProxy,
} from './fault-proxy.js';
export type { Direction, Interceptor, Passing, Verdict } from './proxy-connection.js';
export { breakRequests, type FaultWatch, type RequestFault } from './request-fault.js';
export { serverFaults } from './server-faults.js';
export { type KafkaServer, type StartKafkaOptions, startKafka } from './servers/kafka.js';
export {
  breakKafka,
  type KafkaFault,
  type KafkaRequest,
} from './servers/kafka-faults.js';
export { createTopic, type TopicOptions } from './servers/kafka-topic.js';
export { type HalvedKafkaServer, startHalvedKafka } from './servers/lost-broker.js';
export {
  type PostgresServer,
  type PostgresVersion,
  type StartPostgresOptions,
  startPostgres,
} from './servers/postgres.js';
export {
  breakPostgres,
  type PostgresFault,
} from './servers/postgres-faults.js';
export { type KafkaUser, type SecuredKafkaServer, startSecuredKafka } from './servers/secured-kafka.js';
export { type SecuredPostgresServer, startSecuredPostgres } from './servers/secured-postgres.js';
export type { TestServer } from './test-server.js';
export { uniqueName } from './unique-name.js';
