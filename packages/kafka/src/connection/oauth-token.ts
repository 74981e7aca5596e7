import { ConnectorError } from '@sluice/core/driver';

/** Credentials of a client at an OAuth 2 server. */
export interface ClientCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly tokenEndpoint: string;
  readonly scope: string | undefined;
}

const timeoutMs = 10_000;
/** A token is used no more when less of its time is left: connecting and authenticating take some. */
const marginMs = 10_000;

/** What a token endpoint answers, as far as it is used. */
interface TokenAnswer {
  readonly access_token?: unknown;
  readonly expires_in?: unknown;
  readonly error?: unknown;
  readonly error_description?: unknown;
}

/**
 * Gets tokens by client credentials (RFC 6749 section 4.4) and keeps each until shortly before it expires. One that says
 * nothing of its end is used once.
 */
export function clientCredentials(credentials: ClientCredentials): () => Promise<string> {
  let kept: { readonly token: string; readonly until: number } | undefined;
  let asking: Promise<string> | undefined;
  const ask = async (): Promise<string> => {
    const { token, expiresInMs } = await requestToken(credentials);
    kept = { token, until: Date.now() + expiresInMs - marginMs };
    return token;
  };
  return () => {
    if (kept !== undefined && Date.now() < kept.until) return Promise.resolve(kept.token);
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}

async function requestToken({
  clientId,
  clientSecret,
  tokenEndpoint,
  scope,
}: ClientCredentials): Promise<{ token: string; expiresInMs: number }> {
  const where = new URL(tokenEndpoint).host;
  const basic = [clientId, clientSecret].map((part) => encodeURIComponent(part)).join(':');
  let response: Response;
  try {
    response = await fetch(tokenEndpoint, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(basic).toString('base64')}`, accept: 'application/json' },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope === undefined ? {} : { scope }) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (cause) {
    throw new ConnectorError('not_connected', `the token endpoint at ${where} did not answer`, { cause });
  }
  const answer = await tokenAnswer(response, where);
  if (!response.ok || typeof answer.access_token !== 'string') throw refused(response, answer, where);
  const seconds = Number(answer.expires_in ?? 0);
  return { token: answer.access_token, expiresInMs: Number.isFinite(seconds) ? seconds * 1000 : 0 };
}

async function tokenAnswer(response: Response, where: string): Promise<TokenAnswer> {
  try {
    // Every field is looked at before it is used.
    return (await response.json()) as TokenAnswer;
  } catch (cause) {
    const text = `the token endpoint at ${where} answered ${response.status} without JSON; check tokenEndpoint`;
    throw new ConnectorError(response.status >= 500 ? 'not_connected' : 'unauthenticated', text, { cause });
  }
}

function refused(
  { status }: Response,
  { error, error_description: description }: TokenAnswer,
  where: string,
): ConnectorError {
  const reason = [error, description].filter((part) => typeof part === 'string').join(': ') || 'it gave no reason';
  const text = `the token endpoint at ${where} gave no token (${status}): ${reason}`;
  return new ConnectorError(status >= 500 || status === 429 ? 'not_connected' : 'unauthenticated', text);
}
