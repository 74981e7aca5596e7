import { ConnectorError } from '@sluice/core/driver';
import type { Client } from 'pg';
import { type ReplicationRequest, ReplicationStream } from './replication.js';

/** `object_not_in_prerequisite_state`: a warning with it is about the publication. */
const passedOver = '55000';

/**
 * Starts to stream. Takes the client over; it is closed when this rejects.
 *
 * From Postgres 18 on, a server that does not find the publication at some place of its log passes over the changes there, and
 * only warns. What comes behind the warning is not heard any more, so that no position passes the gap.
 */
export async function startStream(client: Client, request: ReplicationRequest): Promise<ReplicationStream> {
  const { slot, publication } = request;
  let stream: ReplicationStream | undefined;
  let gap: ConnectorError | undefined;
  client.on('notice', ({ code, message }) => {
    if (code !== passedOver) return;
    client.connection.removeAllListeners('copyData');
    gap ??= new ConnectorError(
      'not_found',
      `${message}: publication "${publication}" was dropped, or made after changes that slot "${slot}" still has, so they cannot be read. Remove the slot with "sluice teardown" and begin with a new one`,
    );
    stream?.fail(gap);
  });
  stream = await ReplicationStream.start(client, request);
  if (gap !== undefined) stream.fail(gap);
  return stream;
}
