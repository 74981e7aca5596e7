// Plays a few sensors: sends temperature readings as UDP datagrams with node:dgram alone, two of them not JSON.
// Run it: node send-readings.ts [port, 7200] [how many, 5000] [a file that gets a copy of what was sent]
import { createSocket } from 'node:dgram';
import { writeFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';

const [port = '7200', count = '5000', copy] = process.argv.slice(2);
const sensors = ['attic', 'cellar', 'kitchen', 'roof'];

const socket = createSocket('udp4');
const send = (text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.send(text, Number(port), '127.0.0.1', (error) => (error ? reject(error) : resolve()));
  });
const sent: string[] = [];
for (let reading = 1; reading <= Number(count); reading++) {
  const celsius = Math.round(200 + 80 * Math.sin(reading / 50) + 20 * Math.random()) / 10;
  const json = JSON.stringify({ sensor: sensors[reading % sensors.length], reading, celsius });
  const isBroken = reading === 1000 || reading === 3000;
  const datagram = isBroken ? json.slice(0, -4) : json;
  await send(datagram);
  sent.push(datagram);
  // About 2,000 readings per second, in bursts as sensors that report at the same moment send them.
  if (reading % 50 === 0) await wait(25);
}
socket.close();
if (copy !== undefined) await writeFile(copy, sent.map((datagram) => `${datagram}\n`).join(''));
console.log(`sent ${sent.length} readings to 127.0.0.1 port ${port}`);
