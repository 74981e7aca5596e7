import type { Socket } from 'node:net';

/** What a Kafka source or sink takes beside its config. */
export interface KafkaOptions {
  /**
   * Gives the token for SASL OAUTHBEARER. Called for each connection, and again when the broker asks for a fresh one; keep a
   * token that is still good. A rejection fails the connection with its text.
   */
  readonly oauthToken?: () => Promise<string>;
  /**
   * Opens the TCP connection to a broker instead of `net.connect`: the way through a proxy or a tunnel. It is called for each
   * connection and returns a socket that is connecting; TLS is put on top of it.
   */
  readonly openSocket?: (broker: { readonly host: string; readonly port: number }) => Socket;
}
