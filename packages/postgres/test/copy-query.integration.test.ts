import { expect, test } from 'vitest';
import { CopyQuery } from '../src/writing/copy-query.js';
import { useDatabase } from './database.js';

const database = useDatabase();

/** More than the connection holds, so that rows are still on their way when the server answers. */
const chunks: readonly Uint8Array[] = Array.from({ length: 50 }, () => Buffer.from('1\tabc\n'.repeat(20_000)));

test('rows right behind a COPY are stored with the statements around it, and dropped where one of those fails', async () => {
  const { native } = database;
  let sent = 0;
  const copy = (sql: string, rows: readonly Uint8Array[]): Promise<void> =>
    native.query(new CopyQuery(sql, rows, () => sent++)).done;
  await native.query('CREATE TEMP TABLE copied (id int, text text); BEGIN');
  await copy('SAVEPOINT one; COPY copied FROM STDIN; RELEASE SAVEPOINT one', chunks);
  await expect(copy('SAVEPOINT two; COPY nowhere FROM STDIN', chunks)).rejects.toThrow('does not exist');
  await native.query('ROLLBACK TO SAVEPOINT two');
  const bad = [Buffer.from('1\ta\nx\tb\n'), ...chunks];
  await expect(copy('SAVEPOINT three; COPY copied FROM STDIN', bad)).rejects.toMatchObject({
    where: expect.stringContaining('line 2'),
  });
  await native.query('ROLLBACK TO SAVEPOINT three');
  const late = 'SAVEPOINT four; COPY copied FROM STDIN; INSERT INTO copied VALUES (1 / 0)';
  await expect(copy(late, [Buffer.from('1\ta\n')])).rejects.toThrow('division by zero');
  await native.query('ROLLBACK TO SAVEPOINT four');
  await copy('COPY copied FROM STDIN', []);
  const { rows } = await native.query('SELECT count(*)::int AS count FROM copied');
  expect(rows).toEqual([{ count: 1_000_000 }]);
  expect(sent).toBe(5);
});
