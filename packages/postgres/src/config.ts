import { secret, secretUrl, z } from '@sluice/core/driver';

/** How far TLS goes, in libpq's words: https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION */
export type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

/** Every {@link SslMode}, from the weakest on. */
const sslModes: readonly [SslMode, ...SslMode[]] = [
  'disable',
  'allow',
  'prefer',
  'require',
  'verify-ca',
  'verify-full',
];

/** What is needed to reach a server, parsed. Fields win over what the URL says. */
export interface PostgresConnectionSettings {
  /** `postgresql://user:password@host:port/database?sslmode=require`; also `sslrootcert`, `sslcert`, `sslkey`, `application_name`. */
  readonly url?: string | undefined;
  /** Name, address, or folder of a Unix socket (`/run/postgresql`). Looked up again for every connection. */
  readonly host?: string | undefined;
  /** Default 5432. */
  readonly port?: number | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Default: the same as the user. */
  readonly database?: string | undefined;
  /** Default `prefer`, as libpq: TLS if the server speaks it, and nothing is checked. `verify-full` is the one to use over a network. */
  readonly sslmode?: SslMode | undefined;
  /** Certificates of the authorities that the server is trusted by, as PEM or the path of a PEM file. Left out, those that Node.js trusts. */
  readonly sslrootcert?: string | undefined;
  /** Certificate of the client, as PEM or the path of a PEM file. Together with `sslkey`. */
  readonly sslcert?: string | undefined;
  /** Private key of the client's certificate, as PEM or the path of a PEM file. */
  readonly sslkey?: string | undefined;
  /** How the connection is called in `pg_stat_activity`. Default `sluice` and the name of the pipeline. */
  readonly applicationName?: string | undefined;
  /** How long making a connection may take, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs: number;
  /**
   * How long one statement may take, in milliseconds; 0: as long as it takes. Default 25,000: below the engine's own 30,000, so
   * that the reason is known when the engine gives up.
   */
  readonly statementTimeoutMs: number;
}

/** Connection part of a config; see {@link PostgresConnectionSettings} for each field. */
export type PostgresConnectionConfig = {
  readonly [Field in keyof PostgresConnectionSettings]?: PostgresConnectionSettings[Field] | undefined;
};

/** A schema that is one of several, told apart by a field that is a literal. */
export type ModeSchema<Settings, Config> = z.ZodType<
  Settings,
  Config,
  z.core.$ZodTypeInternals<Settings, Config> & z.core.$ZodTypeDiscriminableInternals
>;

const text = z.string().min(1);

/** Fields that the schemas of source and sink both have. */
export interface ConnectionFields {
  readonly url: z.ZodOptional<z.ZodString>;
  readonly host: z.ZodOptional<z.ZodString>;
  readonly port: z.ZodOptional<z.ZodInt>;
  readonly user: z.ZodOptional<z.ZodString>;
  readonly password: z.ZodOptional<z.ZodString>;
  readonly database: z.ZodOptional<z.ZodString>;
  readonly sslmode: z.ZodOptional<z.ZodType<SslMode, SslMode>>;
  readonly sslrootcert: z.ZodOptional<z.ZodString>;
  readonly sslcert: z.ZodOptional<z.ZodString>;
  readonly sslkey: z.ZodOptional<z.ZodString>;
  readonly applicationName: z.ZodOptional<z.ZodString>;
  readonly connectTimeoutMs: z.ZodDefault<z.ZodInt>;
  readonly statementTimeoutMs: z.ZodDefault<z.ZodInt>;
}

/** See {@link PostgresConnectionSettings}. */
export const connectionFields: ConnectionFields = {
  url: secretUrl(
    z
      .string()
      .regex(/^postgres(?:ql)?:\/\/\S+$/, 'must be postgresql://user:password@host:port/database')
      .refine((url) => URL.canParse(url), 'must be a URL of one host'),
  )
    .optional()
    .describe('`postgresql://user:password@host:port/database?sslmode=verify-full`. The other fields win over it.'),
  host: text.optional().describe('Name, address, or folder of a Unix socket. Instead of `url`, or over it.'),
  port: z.int().min(1).max(65_535).optional().describe('Default 5432.'),
  user: text.optional().describe('Name of the user.'),
  password: secret(text).optional().describe('Password of the user. `options.password` gives tokens that rotate.'),
  database: text.optional().describe('Default: the same as the user.'),
  sslmode: z
    .enum(sslModes)
    .optional()
    .describe(
      'As in libpq; default `prefer`. Use `verify-full` over a network: the others prove nothing about the server.',
    ),
  sslrootcert: text
    .optional()
    .describe('Authorities to trust, as PEM or the path of a PEM file. Left out, those that Node.js trusts.'),
  sslcert: text.optional().describe('Certificate of the client, as PEM or the path of a PEM file.'),
  sslkey: secret(text).optional().describe('Private key of the client, as PEM or the path of a PEM file.'),
  applicationName: text
    .optional()
    .describe('Name in `pg_stat_activity`. Default `sluice` and the name of the pipeline.'),
  connectTimeoutMs: z.int().min(1).max(3_600_000).default(10_000).describe('How long making a connection may take.'),
  statementTimeoutMs: z
    .int()
    .min(0)
    .max(86_400_000)
    .default(25_000)
    .describe('How long one statement may take; 0: as long as it takes.'),
};

/** What of a connection is missing or does not fit together. */
export function checkConnection(config: Partial<PostgresConnectionSettings>, context: z.core.$RefinementCtx): void {
  if (config.url === undefined && config.host === undefined)
    context.addIssue({ code: 'custom', path: [], message: 'give either url or host' });
  if ((config.sslcert === undefined) === (config.sslkey === undefined)) return;
  const path = [config.sslcert === undefined ? 'sslcert' : 'sslkey'];
  context.addIssue({ code: 'custom', path, message: 'sslcert and sslkey are given together' });
}
