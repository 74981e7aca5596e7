import type { RemoteInfo } from 'node:dgram';
import { createMessage, type Header, type Message } from '@sluice/core/driver';

const slots = 1024;

interface Sender {
  readonly address: string;
  readonly port: number;
  readonly headers: readonly Header[];
}

/**
 * Makes messages of datagrams. Senders are few and send often, so the headers of a sender are made once and shared by its
 * messages, as long as no other sender needs their slot: memory stays bounded also when senders are forged.
 */
export class DatagramReader {
  readonly #senders: (Sender | undefined)[] = Array.from({ length: slots });

  /** The message of one datagram. The payload is the datagram's own bytes; no bytes are empty bytes, not null. */
  read(payload: Uint8Array, from: RemoteInfo): Message {
    return createMessage({ payload, headers: this.#headersOf(from) });
  }

  #headersOf(from: RemoteInfo): readonly Header[] {
    const slot = from.port % slots;
    const known = this.#senders[slot];
    if (known !== undefined && known.port === from.port && known.address === from.address) return known.headers;
    const headers = senderHeaders(from);
    this.#senders[slot] = { address: from.address, port: from.port, headers };
    return headers;
  }
}

/** Who sent a datagram, as headers. An IPv4 sender to a socket of both families shows as `::ffff:192.0.2.1`, family `IPv6`. */
function senderHeaders(from: RemoteInfo): readonly Header[] {
  return [
    ['address', from.address],
    ['port', from.port],
    ['family', from.family],
  ];
}
