import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { clientCredentials } from '../src/connection/oauth-token.js';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A function that gets tokens from an endpoint that answers so. */
async function tokensOf(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<() => Promise<string>> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  const { port } = server.address() as AddressInfo; // a TCP server has one
  const tokenEndpoint = `http://127.0.0.1:${port}/token`;
  return clientCredentials({ clientId: 'a b', clientSecret: 's:1', tokenEndpoint, scope: 'kafka' });
}

test('asks with the credentials and the scope, once for several at the same time, and keeps a token that is good', async () => {
  let asked = 0;
  const token = await tokensOf((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const credentials = Buffer.from(request.headers.authorization?.slice(6) ?? '', 'base64').toString();
      response.end(JSON.stringify({ access_token: `${++asked} ${credentials} ${body}`, expires_in: 3600 }));
    });
  });
  const expected = '1 a%20b:s%3A1 grant_type=client_credentials&scope=kafka';
  expect(await Promise.all([token(), token()])).toEqual([expected, expected]);
  expect(await token()).toBe(expected);
});

test('asks again for a token that is about to expire', async () => {
  let asked = 0;
  const token = await tokensOf((_, response) => {
    response.end(JSON.stringify({ access_token: `token ${++asked}`, expires_in: 5 }));
  });
  expect([await token(), await token()]).toEqual(['token 1', 'token 2']);
});

test('tells refused credentials from an endpoint that is ill, or that is none', async () => {
  const refusing = await tokensOf((_, response) => {
    response.writeHead(400).end('{"error":"invalid_scope","error_description":"no such scope"}');
  });
  await expect(refusing()).rejects.toMatchObject({
    code: 'unauthenticated',
    message: expect.stringContaining('no such scope'),
  });
  const ill = await tokensOf((_, response) => response.writeHead(503).end('{}'));
  await expect(ill()).rejects.toMatchObject({ code: 'not_connected' });
  const page = await tokensOf((_, response) => response.end('<html>'));
  await expect(page()).rejects.toMatchObject({
    code: 'unauthenticated',
    message: expect.stringContaining('tokenEndpoint'),
  });
});
