import type { Client } from 'pg';

/** How long the server may take to say goodbye. */
const goodbyeMs = 1000;

/** Closes a connection, also one that nothing comes through any more. Never rejects. */
export async function endClient(client: Client): Promise<void> {
  if (!(await endsWithin(goodbyeMs, client.end()))) client.connection.stream.destroy();
}

/** Whether a promise is settled within so many milliseconds. Never rejects. */
export async function endsWithin(ms: number, promise: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(late.resolve, ms, false);
  const settled = promise.then(
    () => true,
    () => true,
  );
  const inTime = await Promise.race([settled, late.promise]);
  clearTimeout(timer);
  return inTime;
}
