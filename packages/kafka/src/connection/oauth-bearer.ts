import { ConnectorError } from '@sluice/core/driver';
import { Encoder, type NativeSasl } from './protocol.js';

const separator = '\u0001';
/** What stands in front of the broker's words is their length. */
const lengthBytes = 4;

/**
 * SASL OAUTHBEARER with the tokens of a function. kafkajs has one of its own, which takes a refusal for a success and then loses
 * the connection without a reason.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7628#section-3
 */
export function oauthBearer(token: () => Promise<string>): NativeSasl {
  return {
    mechanism: 'oauthbearer',
    authenticationProvider: ({ saslAuthenticate }) => ({
      authenticate: async () => {
        const words = `n,,${separator}auth=Bearer ${await token()}${separator}${separator}`;
        const answer = await saslAuthenticate({
          request: { encode: async () => new Encoder().writeBytes(Buffer.from(words)).buffer },
          response: { decode: async (bytes) => bytes, parse: (bytes) => bytes },
        });
        const refusal = answer.subarray(lengthBytes).toString();
        if (refusal !== '') throw refused(refusal);
      },
    }),
  };
}

function refused(refusal: string): ConnectorError {
  const text = `the broker refused the OAuth token (${refusal}). Check that it is good for this broker and has not expired`;
  return new ConnectorError('unauthenticated', text);
}
