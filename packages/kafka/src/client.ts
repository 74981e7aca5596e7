import { readFile } from 'node:fs/promises';
import { connect as connectSocket, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { ConnectorError } from '@sluice/core/driver';
import type { KafkaConnectionSettings, KafkaTls } from './config.js';
import type { BrokerAddress } from './connection/broker-connection.js';
import { KafkaCluster } from './connection/cluster.js';
import { oauthBearer } from './connection/oauth-bearer.js';
import { clientCredentials } from './connection/oauth-token.js';
import type { NativeSasl, NativeSocketFactory } from './connection/protocol.js';
import type { KafkaOptions } from './options.js';
import { registerCodecs } from './records/compression.js';

/**
 * Connects to the first broker that answers and learns the others from it. Rejects with the native error, and nothing stays
 * open then.
 */
export async function openCluster(
  config: KafkaConnectionSettings,
  options: KafkaOptions,
  signal: AbortSignal,
): Promise<KafkaCluster> {
  signal.throwIfAborted();
  registerCodecs();
  const cluster = new KafkaCluster(config.brokers.map(parseBroker), {
    clientId: config.clientId,
    tls: await tlsOptions(config.tls),
    sasl: saslOptions(config, options),
    openSocket: socketFactory(options),
    connectTimeoutMs: config.connectTimeoutMs,
    requestTimeoutMs: config.requestTimeoutMs,
  });
  try {
    await untilAborted(cluster, signal, () => cluster.metadata([]));
    return cluster;
  } catch (error) {
    cluster.close();
    throw error;
  }
}

/** Uses a cluster, and closes it at the abort, which ends whatever waits for a broker. Rejects with the reason then. */
export async function untilAborted<T>(cluster: KafkaCluster, signal: AbortSignal, use: () => Promise<T>): Promise<T> {
  const onAbort = (): void => cluster.close();
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    return await use();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Splits `host:port`; an IPv6 address stands in brackets. */
export function parseBroker(text: string): BrokerAddress {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(colon + 1)) };
}

async function tlsOptions(tls: boolean | KafkaTls): Promise<ConnectionOptions | undefined> {
  if (tls === false) return undefined;
  if (tls === true) return {};
  const { ca, cert, key, passphrase, serverName, rejectUnauthorized } = tls;
  return {
    ...(ca === undefined ? {} : { ca: await Promise.all([ca].flat().map(pemText)) }),
    ...(cert === undefined ? {} : { cert: await pemText(cert) }),
    ...(key === undefined ? {} : { key: await pemText(key) }),
    ...(passphrase === undefined ? {} : { passphrase }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  };
}

async function pemText(value: string): Promise<string> {
  if (value.includes('-----BEGIN ')) return value;
  try {
    return await readFile(value, 'utf8');
  } catch (cause) {
    // The value may be a key that was pasted without its first line: it is not repeated here.
    const text = 'a certificate or key is neither PEM text nor the path of a file that can be read';
    throw new ConnectorError('config_invalid', text, { cause });
  }
}

function saslOptions({ sasl }: KafkaConnectionSettings, { oauthToken }: KafkaOptions): NativeSasl | undefined {
  if (sasl?.mechanism !== 'oauthbearer') return sasl;
  const { clientId, clientSecret, tokenEndpoint, scope } = sasl;
  let token = oauthToken;
  if (clientId !== undefined && clientSecret !== undefined && tokenEndpoint !== undefined) {
    token = clientCredentials({ clientId, clientSecret, tokenEndpoint, scope });
  }
  if (token === undefined) {
    const text =
      'sasl.mechanism oauthbearer needs clientId, clientSecret and tokenEndpoint, or a function in options.oauthToken';
    throw new ConnectorError('config_invalid', text);
  }
  return oauthBearer(token);
}

/** As kafkajs opens its sockets, but without Nagle's delay, which holds back small requests behind a batch. */
function socketFactory({ openSocket }: KafkaOptions): NativeSocketFactory {
  return ({ host, port, ssl, onConnect }) => {
    const raw = openSocket?.({ host, port });
    const socket: Socket =
      ssl === undefined || ssl === null
        ? (raw ?? connectSocket({ host, port }))
        : connectTls({
            ...(raw === undefined ? { host, port } : { socket: raw }),
            ...(isIP(host) === 0 ? { servername: host } : {}),
            ...ssl,
          });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    socket.once(ssl === undefined || ssl === null ? 'connect' : 'secureConnect', onConnect);
    return socket;
  };
}
