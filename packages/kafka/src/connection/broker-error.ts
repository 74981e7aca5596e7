import { protocolError } from './protocol.js';

/** What a broker said no to. */
export interface BrokerErrorPlace {
  readonly topic?: string;
  readonly partition?: number;
  /** The broker's own words, where it has any. */
  readonly reason?: string | null;
}

/** The error of a code in an answer, with the topic and partition that the answer is about. */
export function brokerError(code: number, { reason, ...place }: BrokerErrorPlace = {}): Error {
  const error = protocolError(code);
  if (typeof reason === 'string' && reason !== '') error.message = reason;
  return Object.assign(error, place);
}
