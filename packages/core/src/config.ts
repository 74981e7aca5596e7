import type { z } from 'zod';
import { configIssues, pathText, readingKnownKeys } from './config-issues.js';
import { ConnectorError, messageOf } from './error.js';
import { redactError, secretsOf } from './redact.js';

/**
 * Marks a field as secret: a password, token or private key. Its value is replaced by `***` in everything that is printed,
 * logged or thrown. The mark survives whatever is built around the schema (`optional`, objects, arrays, unions, transforms);
 * a transform around it must leave the value where it is.
 *
 * @example password: secret(z.string().describe('Password of the user.')).optional()
 */
export function secret<S extends z.ZodType>(schema: S): S {
  return schema.meta({ secret: true });
}

/**
 * Marks a URL, or a list of them, that may hold credentials: the password before the `@` is secret, and so are parameters
 * named like `password`, `secret` or `token`. Host, user and path stay readable. A token in place of the user is not seen:
 * mark such a URL with {@link secret}.
 *
 * @example url: secretUrl(z.url().describe('Where the server is: `amqps://user:password@host/vhost`.'))
 */
export function secretUrl<S extends z.ZodType>(schema: S): S {
  return schema.meta({ secret: 'url' });
}

/**
 * Checks a config and fills in its defaults. Nothing at all, as an empty `config:` in a file gives it, is an empty config.
 *
 * @param subject What the config is for, as the error's text names it: `kafka source`
 * @throws {ConnectorError} `config_invalid` with every problem in `issues` and in the text, without values of secrets
 * @throws {ConnectorError} `internal` when the schema itself throws or is asynchronous
 */
export function parseConfig<S extends z.ZodType>(schema: S, raw: unknown, subject: string): z.output<S> {
  const value = raw ?? {};
  const { error, keys } = readingKnownKeys();
  const result = safeParse(schema, value, error, subject);
  if (result.success) return result.data;
  const issues = configIssues(schema, value, result.error.issues, keys);
  const text = issues
    .map(({ path, message }) => (path.length === 0 ? message : `${pathText(path)}: ${message}`))
    .join('; ');
  throw new ConnectorError('config_invalid', `${subject} config is invalid: ${text}`, { issues });
}

function safeParse<S extends z.ZodType>(
  schema: S,
  value: unknown,
  error: z.core.$ZodErrorMap,
  subject: string,
): z.ZodSafeParseResult<z.output<S>> {
  try {
    return schema.safeParse(value, { error });
  } catch (cause) {
    const text = `${subject} config could not be checked: ${messageOf(cause)}. Report this to the connector's author`;
    throw redactError(new ConnectorError('internal', text, { cause }), secretsOf(schema, value));
  }
}
