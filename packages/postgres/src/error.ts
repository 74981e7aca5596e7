import type { Classified, Classify, ErrorCode } from '@sluice/core/driver';

/** What errors of the server, of pg and of sockets carry. */
interface PostgresFailure {
  readonly message: string;
  /** SQLSTATE of the server, or Node's code. */
  readonly code?: unknown;
  readonly detail?: unknown;
  readonly where?: unknown;
}

type Row = readonly [code: ErrorCode, explain: (failure: PostgresFailure) => string];

const lost: Row = ['not_connected', (e) => `the connection was lost (${e.message})`];
const unreachable: Row = ['not_connected', (e) => `the server cannot be reached (${e.message})`];
const refusedRow: Row = ['message_invalid', withDetail];
const busy: Row = ['conflict', (e) => `another transaction was in the way (${withDetail(e)})`];
const full: Row = ['resource_exhausted', (e) => `the server is out of resources (${e.message})`];
const login: Row = ['unauthenticated', (e) => `the server does not let this user in (${e.message})`];
const missing: Row = ['not_found', (e) => `${e.message}. Create it, or check the name and search_path`];
const wrongSql: Row = ['config_invalid', (e) => `the table does not fit the config (${withDetail(e)})`];
const certificate: Row = [
  'unauthenticated',
  (e) => `the server's certificate is not accepted (${e.message}). Check sslrootcert, sslmode and the host`,
];
const noTls: Row = [
  'unsupported',
  () => 'the server does not speak TLS. Set ssl = on there, or choose another sslmode',
];

/** By SQLSTATE, or by its class (two characters): https://www.postgresql.org/docs/current/errcodes-appendix.html */
const byState: Readonly<Record<string, Row>> = {
  '08': lost,
  '0A': ['unsupported', withDetail],
  '0L': ['permission_denied', (e) => e.message],
  '21': refusedRow,
  '22': refusedRow,
  '23': refusedRow,
  '25': ['internal', (e) => `the transaction is in a state that does not allow it (${e.message})`],
  '25006': ['not_connected', () => 'the server takes no writes; it is a standby, or was made one'],
  '25P03': ['not_connected', () => 'the server ended a transaction that stood still for idleTimeoutMs'],
  '25P04': ['not_connected', () => 'the server ended a transaction that took longer than its transaction_timeout'],
  '28': login,
  '3D000': ['not_found', (e) => `${e.message}. Create it, or correct the name`],
  '3F000': missing,
  '40': busy,
  '42': wrongSql,
  '42501': ['permission_denied', (e) => `${e.message}. Grant this user the right`],
  '42703': missing,
  '42804': refusedRow,
  '42883': missing,
  '42P01': missing,
  '42P10': [
    'config_invalid',
    () => 'the key has no unique index. Create one on exactly the columns of key, or correct key',
  ],
  '44': refusedRow,
  '53': full,
  '54': ['message_too_large', withDetail],
  '55006': busy,
  '55P03': busy,
  '57014': ['timeout', (e) => `the server gave up (${e.message}). Raise statementTimeoutMs if it needs longer`],
  '57': lost,
  '58': full,
  P0: refusedRow,
};

/** By the code of Node's errors of sockets, look-ups and TLS. */
const byCode: Readonly<Record<string, Row>> = {
  ECONNREFUSED: unreachable,
  ECONNRESET: lost,
  EPIPE: lost,
  ETIMEDOUT: unreachable,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  EHOSTDOWN: unreachable,
  ENETDOWN: unreachable,
  ENOTFOUND: unreachable,
  EAI_AGAIN: unreachable,
  // No socket file.
  ENOENT: unreachable,
  EACCES: ['permission_denied', (e) => e.message],
  CERT_HAS_EXPIRED: certificate,
  CERT_NOT_YET_VALID: certificate,
  CERT_SIGNATURE_FAILURE: certificate,
  DEPTH_ZERO_SELF_SIGNED_CERT: certificate,
  ERR_TLS_CERT_ALTNAME_INVALID: certificate,
  SELF_SIGNED_CERT_IN_CHAIN: certificate,
  UNABLE_TO_GET_ISSUER_CERT: certificate,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: certificate,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: certificate,
};

/** pg's own errors have a text and no code. */
const byText: readonly (readonly [pattern: RegExp, row: Row])[] = [
  [/does not support SSL/, noTls],
  [
    /timeout expired|timeout exceeded when trying to connect|Connection terminated due to connection timeout/,
    unreachable,
  ],
  [/Connection terminated|not queryable|Client was closed|establishing an SSL connection/, lost],
  [/client password must be a string|SASL|password/, login],
];

/** The table from errors of Postgres to codes. */
export const classifyPostgresError: Classify = (error: unknown): Classified | undefined => {
  if (!isFailure(error)) return undefined;
  const { code } = error;
  const row =
    typeof code === 'string'
      ? isState(code)
        ? (byState[code] ?? byState[code.slice(0, 2)])
        : (byCode[code] ?? (/^ERR_(SSL|TLS)_/.test(code) ? certificate : undefined))
      : byText.find(([pattern]) => pattern.test(error.message))?.[1];
  return row && { code: row[0], message: row[1](error) };
};

/** Whether the server refused what was written, and not the way it was asked: another row may pass. */
export function isRefusal(error: unknown): boolean {
  const code = classifyPostgresError(error)?.code;
  return code === 'message_invalid' || code === 'message_too_large';
}

/** The SQLSTATE of the server's error; undefined for any other. */
export function stateOf(error: unknown): string | undefined {
  return isFailure(error) && typeof error.code === 'string' && isState(error.code) ? error.code : undefined;
}

/** The number of the row, from 1, that a COPY failed at, when the server tells. */
export function lineOf(error: unknown): number | undefined {
  const [, line] =
    isFailure(error) && typeof error.where === 'string' ? (/^COPY .*, line (\d+)/m.exec(error.where) ?? []) : [];
  return line === undefined ? undefined : Number(line);
}

function isFailure(error: unknown): error is PostgresFailure & Error {
  return error instanceof Error;
}

/** Five digits or capitals, with a digit among the first two; Node's codes that are as short (EPIPE) have none. */
function isState(code: string): boolean {
  return /^(?:\d[\dA-Z]|[A-Z]\d)[\dA-Z]{3}$/.test(code);
}

function withDetail({ message, detail, where }: PostgresFailure): string {
  const column = typeof where === 'string' ? /, column ([^:]+):/.exec(where)?.[1] : undefined;
  const place = column === undefined ? '' : ` (column ${column})`;
  return typeof detail === 'string' && detail !== '' ? `${message}${place}: ${detail}` : `${message}${place}`;
}
