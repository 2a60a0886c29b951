/** The whole pipeline as a process of its own, for tests that read its log: prints its URL, ends with SIGTERM. */
import { startPipeline } from '../../../functions/_local/run/pipeline.ts';

const pipeline = await startPipeline(process.env);
process.stdout.write(`${pipeline.url}\n`);
process.once('SIGTERM', () => void pipeline.close().then(() => process.exit(0)));
