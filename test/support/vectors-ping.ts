/** A program for tests: pings the vector store of its environment and prints the outcome, `ok` or an error's code. */
import { openQdrantVectors } from '../../functions/_shared/stores/vectors/qdrant/store.ts';
import { qdrantSettings } from './qdrant.ts';

const settings = qdrantSettings(String(process.env.QDRANT_URL), {
  QDRANT_API_KEY: process.env.QDRANT_API_KEY ?? '',
  KNARR_QDRANT_TIMEOUT: '2s',
});
const store = openQdrantVectors(settings, async () => []);
console.log(
  await store.ping().then(
    () => 'ok',
    (error) => error.code,
  ),
);
