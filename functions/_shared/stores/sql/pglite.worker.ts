import { readFile } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { pg_textsearch } from '@electric-sql/pglite-pg_textsearch';
import { vector } from '@electric-sql/pglite-pgvector';
import { type Reply, type Request, vectorLiteral, type WorkerOptions } from './protocol.ts';

/** PGlite blocks the thread it runs in, so it has one of its own: one request at a time, answered in order. */
const port = parentPort;
if (!port) throw new Error('This file runs as a worker thread.');

const { folder, template } = workerData as WorkerOptions;
const database = await PGlite.create({
  ...(folder !== undefined && { dataDir: folder }),
  ...(template !== undefined && {
    loadDataDir: new Blob([await readFile(template)], { type: 'application/x-gzip' }),
  }),
  extensions: { vector, pg_textsearch },
});
await database.exec('create extension if not exists vector; create extension if not exists pg_textsearch');

async function answer(request: Request): Promise<Reply> {
  const { id } = request;
  switch (request.op) {
    case 'query': {
      const params = request.params.map((param) =>
        param instanceof Float32Array ? vectorLiteral(param) : param,
      );
      const { rows, affectedRows } = await database.query(request.sql, params);
      return { id, rows, affected: affectedRows ?? 0 };
    }
    case 'exec':
      await database.exec(request.sql);
      return { id };
    case 'dump': {
      const dump = await database.dumpDataDir('gzip');
      return { id, dump: await dump.arrayBuffer() };
    }
    case 'close':
      await database.close();
      return { id };
  }
}

port.on('message', async (request: Request) => {
  try {
    port.postMessage(await answer(request));
  } catch (thrown) {
    const error = thrown as { message: string; code?: string; constraint?: string };
    const { message, code, constraint } = error;
    port.postMessage({ id: request.id, error: { message, code, constraint } } satisfies Reply);
  }
});
port.postMessage({ id: 0 } satisfies Reply);
