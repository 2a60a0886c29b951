import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLedger } from '../../../functions/_shared/stores/open.ts';
import { AUDIENCE, startIssuer } from '../issuer.ts';
import { startPostgres } from '../postgres.ts';
import { addCallers, TENANTS } from './callers.ts';
import { newDocument, newVersion, write } from './documents.ts';
import { json, type Play, pathOf, send } from './exchange.ts';
import { addDeadLetters } from './letters.ts';
import { openLog, type WatchedLog } from './log.ts';
import { type ServerProcess, startServer } from './process.ts';
import { type Asker, prose, type Random, World } from './world.ts';

const ACLS = [['*'], ['*'], ['group:eng'], ['user:ann'], ['group:hr', 'user:bob']];

/** The whole pipeline with callers of all kinds, and documents in which everything is marked. */
export interface Scene {
  play: Play;
  askers: readonly Asker[];
  secrets: readonly string[];
  server: ServerProcess;
  log: WatchedLog;
  byName(tenant: string, name: string): Asker;
  /** A new document with marks in all of it. */
  put(writer: Asker, acl: string[], collection: string): Promise<void>;
  /** Resolves when every document is indexed. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** `onPostgres`: with the documents on a PostgreSQL server. */
export async function openScene(random: Random, { onPostgres }: { onPostgres: boolean }): Promise<Scene> {
  const opened: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const end of opened.splice(0).reverse()) await end();
  };
  try {
    return { ...(await build()), close };
  } catch (thrown) {
    await close();
    throw thrown;
  }

  async function build(): Promise<Omit<Scene, 'close'>> {
    const folder = await mkdtemp(join(tmpdir(), 'knarr-access-'));
    opened.push(() => rm(folder, { recursive: true, force: true }));
    const postgres = onPostgres ? await startPostgres() : undefined;
    if (postgres) opened.push(() => postgres.stop());
    const issuer = await startIssuer();
    opened.push(() => issuer.close());

    const world = new World(random);
    const collections = Object.fromEntries(TENANTS.map((tenant) => [tenant, collectionsOf(tenant, world)]));
    // Before a server has the store.
    const ledger = await openLedger({ dataDir: folder, databaseUrl: postgres?.url });
    const { askers, keys, secrets } = await addCallers(ledger.access, issuer);
    const letters = await addDeadLetters(ledger.documents, TENANTS, world, random);
    await ledger.documents.close();

    const log = openLog(world, secrets, prose(random).slice(0, 12));
    const server = await startServer(
      {
        KNARR_DATA_DIR: folder,
        ...(postgres && { DATABASE_URL: postgres.url }),
        KNARR_AUTH: 'keys,oidc',
        KNARR_OIDC_ISSUER: issuer.url,
        KNARR_OIDC_AUDIENCE: AUDIENCE,
        KNARR_STREAM_TIMEOUT: '5s',
      },
      log.add,
    );
    opened.push(() => server.stop());
    const deadLetters = ['none', ...letters];
    const play: Play = {
      url: server.url,
      world,
      random,
      collections,
      asked: [],
      deadLetters,
      heard: [],
      keys,
    };
    const scene = { play, askers, secrets, server, log, ...steps(play, askers) };
    for (const tenant of TENANTS) {
      for (const collection of collections[tenant] as string[]) {
        // The last collection has nothing for everybody.
        const acls = collection.startsWith('cnry') ? [['group:hr']] : [...ACLS, ...ACLS];
        for (const acl of acls) await scene.put(scene.byName(tenant, 'everything'), [...acl], collection);
      }
    }
    await scene.settled();
    return scene;
  }
}

/** Two that every tenant has, and one whose name says something. */
function collectionsOf(tenant: string, world: World): string[] {
  const secret = world.plant({ kind: 'collection', tenant, acl: [], collection: '' });
  for (const { canary } of world.find(secret)) canary.collection = secret;
  return ['default', 'news', secret];
}

function steps(play: Play, askers: readonly Asker[]): Pick<Scene, 'byName' | 'put' | 'settled'> {
  const byName = (tenant: string, name: string) =>
    askers.find((asker) => asker.tenant === tenant && asker.name === name) as Asker;
  return {
    byName,
    async put(writer, acl, collection) {
      const document = newDocument(play.world, writer.tenant, acl, collection);
      const version = newVersion(play.world, play.random, document, acl, collection);
      const status = await write(document, version, writer, async () => {
        return (await send(play, writer, 'PUT', pathOf(document), JSON.stringify(version), json)).reply
          .status;
      });
      if (status !== 202) throw new Error(`${pathOf(document)} was answered ${status}.`);
    },
    async settled() {
      for (const tenant of TENANTS) {
        const writer = byName(tenant, 'everything');
        const count = async (state: string) =>
          JSON.parse((await send(play, writer, 'GET', `/v1/documents?limit=1&state=${state}`)).reply.text)
            .documents.length;
        for (const state of ['accepted', 'chunked', 'embedded'])
          while ((await count(state)) > 0) await sleep(50);
      }
    },
  };
}
