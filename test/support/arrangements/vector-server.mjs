// node vector-server.mjs <template> <socket>: the embedded database for several processes at once, by PostgreSQL's wire
// protocol. PGlite is one session: whoever has begun something (up to Sync, or the end of a transaction) has it alone.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { PGlite } from '@electric-sql/pglite';
import { pg_textsearch } from '@electric-sql/pglite-pg_textsearch';
import { vector } from '@electric-sql/pglite-pgvector';

const [template, path] = process.argv.slice(2);
const database = await PGlite.create({
  loadDataDir: new Blob([await readFile(template)], { type: 'application/x-gzip' }),
  extensions: { vector, pg_textsearch },
});

let holder;
const waiting = [];
async function hold(connection) {
  if (holder === connection) return;
  if (holder !== undefined) await new Promise((resolve) => waiting.push(resolve));
  holder = connection;
}
function release() {
  holder = undefined;
  waiting.shift()?.();
}

const SSL_REQUEST = 80877103;
const TERMINATE = 'X';
/** Messages after which the server answers, and is idle or in a transaction. */
const LAST = new Set(['Q', 'S']);
/** ReadyForQuery outside a transaction is the answer's last message. */
const isIdle = (answer) => Buffer.from(answer).subarray(-6).equals(Buffer.from('Z\0\0\0\x05I', 'latin1'));

createServer((connection) => {
  let received = Buffer.alloc(0);
  let isStarted = false;

  /** Takes the next whole message off what was received; the first ones have no type. */
  function next() {
    const typed = isStarted ? 1 : 0;
    if (received.length < 4 + typed) return undefined;
    const length = received.readInt32BE(typed) + typed;
    if (received.length < length) return undefined;
    const message = received.subarray(0, length);
    received = received.subarray(length);
    return message;
  }

  async function answerAll() {
    for (let message = next(); message; message = next()) {
      if (!isStarted && message.readInt32BE(4) === SSL_REQUEST) {
        connection.write('N');
        continue;
      }
      const type = isStarted ? String.fromCharCode(message[0]) : undefined;
      if (type === TERMINATE) return connection.end();
      await hold(connection);
      const answer = await database.execProtocolRaw(message);
      if (connection.writable) connection.write(answer);
      if ((!isStarted || LAST.has(type)) && isIdle(answer)) release();
      isStarted = true;
    }
  }

  let work = Promise.resolve();
  connection.on('data', (part) => {
    received = Buffer.concat([received, part]);
    work = work.then(answerAll);
  });
  connection.on('error', () => {});
  connection.on('close', () => {
    work = work.then(async () => {
      if (holder !== connection) return;
      await database.exec('rollback');
      release();
    });
  });
}).listen(path, () => console.log('ready'));
