export type { MulticastGroup, UdpSinkConfig, UdpSinkSettings, UdpSourceConfig, UdpSourceSettings } from './config.js';
export { udp } from './connector.js';
export type { UdpOptions } from './options.js';
