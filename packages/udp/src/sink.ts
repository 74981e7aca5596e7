import {
  BatchError,
  type BatchFailure,
  ConnectorError,
  type DriverContext,
  type Message,
  parseTemplate,
  type SinkBatch,
  type SinkDriver,
  type Value,
} from '@sluice/core/driver';
import { fixedAddress } from './address.js';
import { AddressBook } from './address-book.js';
import type { UdpSinkSettings } from './config.js';
import { type Destinations, fixedDestination } from './destination.js';
import { classifyUdpError, hasCode } from './error.js';
import type { UdpOptions } from './options.js';
import { SendRound } from './send-round.js';

/** Looks the host up and opens the socket; with an address per message, sockets open when a message needs them. */
export async function openUdpSink(
  config: UdpSinkSettings,
  options: UdpOptions,
  context: Pick<DriverContext, 'signal'>,
): Promise<SinkDriver> {
  return new UdpSink(await openDestinations(config, options, context.signal));
}

function openDestinations(
  config: UdpSinkSettings,
  options: UdpOptions,
  signal: AbortSignal,
): Destinations | Promise<Destinations> {
  const { host, port, address } = config;
  if (host !== undefined && port !== undefined) return fixedDestination({ host, port }, config, options, signal);
  const template = parseTemplate(address ?? '');
  const fixed = fixedAddress(template);
  return fixed === undefined
    ? new AddressBook(template, config, options)
    : fixedDestination(fixed, config, options, signal);
}

/** Sends one datagram per message. */
class UdpSink implements SinkDriver {
  readonly #destinations: Destinations;
  #round = new SendRound();
  #closing: Promise<void> | undefined;

  constructor(destinations: Destinations) {
    this.#destinations = destinations;
  }

  async write({ messages }: SinkBatch, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const destinationOf = await this.#destinations.of(messages, signal);
    const round = this.#round;
    for (let index = 0; index < messages.length; index++) {
      const payload = messages[index]?.payload;
      const destination = destinationOf(index);
      if (destination instanceof Error) {
        round.refuse(index, destination);
      } else if (!(payload instanceof Uint8Array)) {
        round.refuse(index, notBytes(payload));
      } else if (payload.length > destination.maxBytes) {
        round.refuse(index, tooLarge(payload.length, `the limit is ${destination.maxBytes} bytes`));
      } else if (destination.to === undefined) {
        destination.socket.send(payload, round.expect(index));
      } else {
        destination.socket.send(payload, destination.to.port, destination.to.ip, round.expect(index));
      }
    }
    const failures = await this.#answers(round, signal);
    if (failures.length > 0) throw verdict(failures, messages);
  }

  close(): Promise<void> {
    this.#closing ??= this.#destinations.close();
    return this.#closing;
  }

  async #answers(round: SendRound, signal: AbortSignal): Promise<readonly BatchFailure[]> {
    try {
      return await round.finish(signal);
    } catch (error) {
      this.#round = new SendRound();
      throw error;
    }
  }
}

/** The error of a write in which some messages failed. */
function verdict(failures: readonly BatchFailure[], messages: readonly Message[]): unknown {
  // A refusal answers some datagram that was sent before, so there is no telling which ones arrived.
  const refused = failures.find(({ error }) => hasCode(error, 'ECONNREFUSED'));
  if (refused !== undefined) return refused.error;
  const named = failures.map(({ index, error }) => ({ index, error: withSize(error, messages[index]?.payload) }));
  // When nothing could leave, it is the way that is broken and not the messages: the engine opens the socket again.
  const lost = named.filter(({ error }) => classifyUdpError(error)?.code === 'not_connected');
  return lost.length === messages.length ? lost[0]?.error : new BatchError(named);
}

/** Some systems refuse less than UDP allows (macOS: `net.inet.udp.maxdgram`), and the error does not tell the size. */
function withSize(error: unknown, payload: Value | undefined): unknown {
  if (!hasCode(error, 'EMSGSIZE') || !(payload instanceof Uint8Array)) return error;
  return tooLarge(payload.length, 'the system refused to send it as one datagram');
}

function tooLarge(bytes: number, reason: string): ConnectorError {
  return new ConnectorError(
    'message_too_large',
    `the payload of ${bytes} bytes does not fit into one datagram: ${reason}`,
  );
}

function notBytes(payload: Value | undefined): ConnectorError {
  const reason = payload === null ? 'it has no payload, and empty bytes are not the same' : 'its payload is not bytes';
  return new ConnectorError('message_invalid', `the message cannot be sent: ${reason}`);
}

/** Resolves when the host can be looked up and a socket be opened; whether anybody listens there UDP does not tell. */
export async function checkUdpSink(config: UdpSinkSettings, options: UdpOptions, signal: AbortSignal): Promise<void> {
  const sink = await openUdpSink(config, options, { signal });
  await sink.close();
}
