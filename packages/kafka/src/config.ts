import { secret, z } from '@sluice/core/driver';

/** How the connection is encrypted. Texts are PEM, or the path of a file that holds it. */
export interface KafkaTls {
  /** Certificates of the authorities that the brokers are trusted by. Left out, those that Node.js trusts. */
  readonly ca?: string | readonly string[] | undefined;
  /** Certificate of the client, for brokers that demand one. Together with `key`. */
  readonly cert?: string | undefined;
  /** Private key of the client's certificate. */
  readonly key?: string | undefined;
  /** Password of an encrypted `key`. */
  readonly passphrase?: string | undefined;
  /** Name that the brokers' certificate has to be for, and that is asked for (SNI). Left out, the broker's own host name. */
  readonly serverName?: string | undefined;
  /** Whether the broker's certificate is checked. Default true; false lets anybody pass for the broker. */
  readonly rejectUnauthorized?: boolean | undefined;
}

/** User and password. PLAIN shows the password to the broker, so use it over TLS; SCRAM only proves that the client knows it. */
export interface KafkaPassword {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** A token from an OAuth 2 server by client credentials, or from the function in the options when no field is given. */
export interface KafkaOauth {
  readonly mechanism: 'oauthbearer';
  readonly clientId?: string | undefined;
  readonly clientSecret?: string | undefined;
  /** URL that gives tokens for client credentials (RFC 6749 section 4.4). */
  readonly tokenEndpoint?: string | undefined;
  readonly scope?: string | undefined;
}

/** What a source and a sink need to reach the brokers, parsed. */
export interface KafkaConnectionSettings {
  /** `host:port` of some brokers; the others are found through them. IPv6 addresses stand in brackets. */
  readonly brokers: readonly string[];
  /** Name of this client in the brokers' logs and quotas. Default `sluice`. */
  readonly clientId: string;
  /** Encrypts the connection. `true` is TLS with the authorities that Node.js trusts. Default false. */
  readonly tls: boolean | KafkaTls;
  /** Proves who the client is. Left out, it does not. */
  readonly sasl?: KafkaPassword | KafkaOauth | undefined;
  /** How long a connection may take, handshakes included, in milliseconds. Default 5,000: far above any healthy network. */
  readonly connectTimeoutMs: number;
  /**
   * How long a broker may take to answer a request, in milliseconds, beside the time that a request itself asks it to wait.
   * Default 15,000: half of the engine's own default, so that the reason is known when the engine gives up.
   */
  readonly requestTimeoutMs: number;
}

/** Connection part of a config: fields that have no default. */
export type KafkaConnectionConfig = Pick<KafkaConnectionSettings, 'brokers'> & {
  readonly [Field in keyof KafkaConnectionSettings]?: KafkaConnectionSettings[Field] | undefined;
};

const text = z.string().min(1);

const tls = z
  .strictObject({
    ca: z
      .union([text, z.array(text).min(1)])
      .optional()
      .describe('Authorities to trust, as PEM or the path of a PEM file. Left out, those that Node.js trusts.'),
    cert: text.optional().describe('Certificate of the client, as PEM or the path of a PEM file. Together with `key`.'),
    key: secret(text).optional().describe('Private key of the client, as PEM or the path of a PEM file.'),
    passphrase: secret(text).optional().describe('Password of an encrypted `key`.'),
    serverName: text
      .optional()
      .describe("Name that the brokers' certificate has to be for. Left out, the broker's own host name."),
    rejectUnauthorized: z
      .boolean()
      .optional()
      .describe("Whether the broker's certificate is checked (default true). false lets anybody pass for the broker."),
  })
  .superRefine(({ cert, key }, context) => {
    if ((cert === undefined) === (key === undefined)) return;
    const path = [cert === undefined ? 'cert' : 'key'];
    context.addIssue({ code: 'custom', path, message: 'cert and key are given together' });
  });

const password = z.strictObject({
  mechanism: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512'])
    .describe('How the password is proven. `plain` shows it to the broker, so use it over TLS.'),
  username: text.describe('Name of the user.'),
  password: secret(text).describe('Password of the user.'),
});

const oauth = z
  .strictObject({
    mechanism: z.literal('oauthbearer').describe('A token of an OAuth 2 server.'),
    clientId: text
      .optional()
      .describe('Id of the client at the OAuth server. Left out, `options.oauthToken` gives tokens.'),
    clientSecret: secret(text).optional().describe('Secret of the client at the OAuth server.'),
    tokenEndpoint: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('URL that gives tokens for client credentials.'),
    scope: text.optional().describe('What the token is to be good for, as the OAuth server names it.'),
  })
  .superRefine(({ clientId, clientSecret, tokenEndpoint }, context) => {
    const fields = { clientId, clientSecret, tokenEndpoint };
    const missing = Object.entries(fields).filter(([, value]) => value === undefined);
    if (missing.length === 0 || missing.length === 3) return;
    for (const [name] of missing) {
      const message = 'clientId, clientSecret and tokenEndpoint are given together';
      context.addIssue({ code: 'custom', path: [name], message });
    }
  });

const broker = z.string().regex(/^(?:\[[^\s[\]]+\]|[^\s:/[\]]+):\d{1,5}$/, 'must be host:port');

/** Fields that the schemas of source and sink both have. */
export interface ConnectionFields {
  readonly brokers: z.ZodType<readonly string[], readonly string[]>;
  readonly clientId: z.ZodDefault<z.ZodString>;
  readonly tls: z.ZodDefault<z.ZodType<boolean | KafkaTls, boolean | KafkaTls>>;
  readonly sasl: z.ZodOptional<z.ZodType<KafkaPassword | KafkaOauth, KafkaPassword | KafkaOauth>>;
  readonly connectTimeoutMs: z.ZodDefault<z.ZodInt>;
  readonly requestTimeoutMs: z.ZodDefault<z.ZodInt>;
}

/** See {@link KafkaConnectionSettings}. */
export const connectionFields: ConnectionFields = {
  brokers: z.array(broker).min(1).describe('`host:port` of some brokers; the others are found through them.'),
  clientId: text.default('sluice').describe("Name of this client in the brokers' logs and quotas."),
  tls: z
    .union([z.boolean(), tls])
    .default(false)
    .describe('Encrypts the connection. `true` trusts the authorities that Node.js trusts.'),
  sasl: z
    .discriminatedUnion('mechanism', [password, oauth])
    .optional()
    .describe('Proves who the client is. Left out, it does not.'),
  connectTimeoutMs: z
    .int()
    .min(1)
    .max(600_000)
    .default(5000)
    .describe('How long a connection may take, handshakes included.'),
  requestTimeoutMs: z
    .int()
    .min(1)
    .max(600_000)
    .default(15_000)
    .describe('How long a broker may take to answer, beside the time that a request asks it to wait.'),
};
