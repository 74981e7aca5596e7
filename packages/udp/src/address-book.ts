import type { Socket, SocketType } from 'node:dgram';
import { ConnectorError, isConnectorError, type Message, type Template } from '@sluice/core/driver';
import { parseAddress, resolveHost } from './address.js';
import { closeSocket } from './close-socket.js';
import type { UdpSinkSettings } from './config.js';
import { type Destination, type DestinationOf, type Destinations, maxPayloadBytes } from './destination.js';
import { hasCode } from './error.js';
import type { UdpOptions } from './options.js';
import { openSendSocket } from './send-socket.js';

const maxRemembered = 10_000;

/** Finds the destination of each message by its own address, and remembers the addresses that it resolved. */
export class AddressBook implements Destinations {
  readonly #template: Template;
  readonly #config: UdpSinkSettings;
  readonly #options: UdpOptions;
  readonly #known = new Map<string, Destination>();
  readonly #sockets = new Map<SocketType, Promise<Socket>>();

  constructor(template: Template, config: UdpSinkSettings, options: UdpOptions) {
    this.#template = template;
    this.#config = config;
    this.#options = options;
  }

  async of(messages: readonly Message[], signal: AbortSignal): Promise<DestinationOf> {
    const found = messages.map((message) => this.#lookUp(message));
    const missing = new Set(found.filter((entry) => typeof entry === 'string'));
    const resolved = new Map<string, Destination | Error>();
    await Promise.all([...missing].map(async (text) => resolved.set(text, await this.#resolve(text, signal))));
    return (index) => {
      const entry = found[index];
      return (typeof entry === 'string' ? resolved.get(entry) : entry) ?? new Error('no destination');
    };
  }

  async close(): Promise<void> {
    const sockets = await Promise.allSettled(this.#sockets.values());
    for (const opened of sockets) {
      if (opened.status === 'fulfilled') await closeSocket(opened.value);
    }
  }

  /** A known destination, an address still to be resolved, or why the message has none. */
  #lookUp(message: Message): Destination | string | Error {
    try {
      const text = this.#template.render(message);
      return this.#known.get(text) ?? text;
    } catch (error) {
      if (isConnectorError(error)) return error;
      throw error;
    }
  }

  async #resolve(text: string, signal: AbortSignal): Promise<Destination | Error> {
    try {
      const { host, port } = parseAddress(text);
      const { ip, type } = await resolveHost(host);
      const socket = await this.#socketOf(type, signal);
      const destination = { socket, maxBytes: maxPayloadBytes(this.#config, type), to: { ip, port } };
      if (this.#known.size >= maxRemembered) this.#known.clear();
      this.#known.set(text, destination);
      return destination;
    } catch (error) {
      // A name that came with the message and does not exist is the message's fault; no answer is the resolver's.
      if (hasCode(error, 'ENOTFOUND'))
        return new ConnectorError('message_invalid', `the name in "${text}" does not exist`);
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #socketOf(type: SocketType, signal: AbortSignal): Promise<Socket> {
    const known = this.#sockets.get(type);
    if (known !== undefined) return known;
    const opening = this.#openSocket(type, signal);
    this.#sockets.set(type, opening);
    opening.catch(() => this.#sockets.delete(type));
    return opening;
  }

  async #openSocket(type: SocketType, signal: AbortSignal): Promise<Socket> {
    const socket = await openSendSocket(this.#config, type, signal);
    // Without a listener it would end the process. It tells of no message here: a socket that broke fails the next send.
    socket.on('error', () => undefined);
    this.#options.onSocket?.(socket);
    return socket;
  }
}
