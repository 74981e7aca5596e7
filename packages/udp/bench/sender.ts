// A child process of the benchmark: told to go, it sends evenly paced datagrams of 100 bytes to a port of 127.0.0.1 and then
// tells how many it sent.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const [port = 0, perSecond = 0, durationMs = 0] = process.argv.slice(2).map(Number);
const payload = Buffer.from(JSON.stringify({ sensor: 'north-7', celsius: 21.5 }).padEnd(100));
const mostAtOnce = 64;

const socket = createSocket('udp4');
socket.connect(port, '127.0.0.1');
await once(socket, 'connect');
process.send?.('ready');
await once(process, 'message');

const begun = performance.now();
let sent = 0;
step();

function step(): void {
  const elapsed = Math.min(performance.now() - begun, durationMs);
  const due = Math.floor((elapsed * perSecond) / 1000) - sent;
  const now = Math.min(due, mostAtOnce);
  for (let count = 0; count < now; count++) socket.send(payload);
  sent += now;
  if (elapsed < durationMs) setImmediate(step);
  else socket.close(() => process.send?.(sent, () => process.disconnect()));
}
