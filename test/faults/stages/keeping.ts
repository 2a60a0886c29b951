import { type Knobs, readConfig } from '../../../functions/_shared/config.ts';
import { httpPublisher } from '../../../functions/_shared/publisher.ts';
import { runStage } from '../../../functions/_shared/runtime/run.ts';
import { serve } from '../../../functions/_shared/runtime/serve.ts';
import { runtimeKnobs } from '../../../functions/_shared/runtime/start.ts';
import type { Stage } from '../../../functions/_shared/stage.ts';
import { createDocumentStore } from '../../../functions/_shared/stores/documents/open.ts';
import { storeKnobs } from '../../../functions/_shared/stores/knobs.ts';
import { openOriginals } from '../../../functions/_shared/stores/originals/open.ts';
import { openDatabase } from '../../../functions/_shared/stores/sql/open.ts';
import { openVectors } from '../../../functions/_shared/stores/vectors/open.ts';
import { createLogger } from '../../../functions/_shared/telemetry/log.ts';
import { createMetrics } from '../../../functions/_shared/telemetry/metrics.ts';
import { stage as fetchStage } from '../../../functions/fetch/index.ts';
import { stage as index } from '../../../functions/index/index.ts';
import { stage as ingest, openParser, parserKnobs } from '../../../functions/ingest/index.ts';
import { createRecover, stage as recover, recoverKnobs } from '../../../functions/recover/index.ts';
import { stage as search } from '../../../functions/search/index.ts';

// The stages that share the embedded vector store, which one process owns: each with its own port, as its own Service.
const config = readConfig({ ...runtimeKnobs, ...storeKnobs, ...parserKnobs, ...recoverKnobs }, process.env);
const database = await openDatabase(config);
const documents = await createDocumentStore(database);
const vectors = await openVectors({ ...config, vectorStore: 'embedded' }, database);
const originals = openOriginals(config);
const parser = openParser(config);
const metrics = createMetrics();
const { stageKey: key } = config;
const publisher = httpPublisher(config.sink as string, { key });

const served: { close(): Promise<void> }[] = [];
async function run<Deps, In, Out, K extends Knobs>(
  stage: Stage<Deps, In, Out, K>,
  deps: Deps,
): Promise<string> {
  const log = createLogger(config.logLevel, { stage: stage.name });
  const options = { log, metrics, publisher, key };
  const running = runStage(stage as unknown as Stage<Deps, In, Out>, deps, options);
  const one = await serve(running, { port: 0, hostname: '127.0.0.1' });
  served.push(one);
  return one.url;
}
const urls = {
  ingest: await run(ingest, { documents, vectors, originals, parser }),
  index: await run(index, { documents, vectors }),
  search: await run(search, { documents, vectors }),
  fetch: await run(fetchStage, { documents }),
  recover: await run(recover, createRecover({ documents, vectors, originals }, config, metrics)),
};
process.once('SIGTERM', async () => {
  for (const one of served) await one.close();
  await parser.close();
  await vectors.close();
  await database.close();
  process.exit(0);
});
process.stdout.write(`${JSON.stringify(urls)}\nlistening at ${urls.ingest}\n`);
