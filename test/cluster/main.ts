import { machine } from '../../bench/machine.ts';
import { type Cluster, createCluster } from '../../functions/_local/cluster/kubectl.ts';
import { seeded } from '../faults/random.ts';
import { createTenants } from '../faults/tenants.ts';
import { apiOf } from '../support/api.ts';
import { CHECKS } from './checks.ts';
import type { Context } from './context.ts';
import { deployed, loadImages, renderDeployment } from './deployment.ts';
import { Figures } from './figures.ts';
import { type Options, readOptions, USAGE } from './options.ts';
import { throughCluster } from './reach.ts';
import { openWayIn, type WayIn } from './way-in.ts';

// npm run test:cluster -- [options]: the pipeline on a real cluster, from nothing to nothing.
const say = (line: string) => process.stdout.write(`${line}\n`);
const figures = new Figures();

async function main(options: Options): Promise<number> {
  const { namespace } = options;
  const cluster = createCluster({ context: options.context });
  const version = (await cluster.json('version')).serverVersion.gitVersion;
  say(
    `cluster: Kubernetes ${version}, overlay ${options.overlay}, namespace ${namespace}, seed ${options.seed}`,
  );
  say(`from: ${machine()}`);
  const deployment = await renderDeployment(options);
  if (options.load !== undefined) await loadImages(deployment, options.load);
  let wayIn: WayIn | undefined;
  try {
    const started = performance.now();
    await deployed(deployment, options);
    figures.seconds(
      'knarr deploy, until every Service is ready',
      [performance.now() - started],
      `run, ${deployment.services.length} Services`,
    );
    const api = await cluster.get('ksvc', 'api', namespace);
    const url = new URL(api?.status.url);
    wayIn = options.gateway === undefined ? undefined : await openWayIn(options.gateway, url.host);
    const tenants = await makeTenants(cluster, namespace);
    const reached = wayIn?.url ?? url.origin;
    return await check({
      cluster,
      options,
      namespace,
      deployment,
      url: reached,
      knarr: apiOf(reached, tenants[0].token),
      tenants,
      figures,
      random: seeded(options.seed),
      note: (line) => say(`       ${line}`),
    });
  } finally {
    say(figures.show());
    await wayIn?.close();
    if (options.keep) say(`kept: namespace ${namespace}`);
    else await cluster.text('delete', 'namespace', namespace, '--ignore-not-found', '--timeout', '600s');
  }
}

/** Keys are made in the database, as the first one of every installation is. */
async function makeTenants(cluster: Cluster, namespace: string): Promise<Context['tenants']> {
  const secret = await cluster.get('secret', 'postgres-app', namespace);
  const uri = Buffer.from(secret?.data.uri ?? '', 'base64').toString();
  const tenants = await throughCluster(cluster, uri, namespace, (DATABASE_URL) =>
    createTenants(2, { DATABASE_URL }),
  );
  return tenants as [Context['tenants'][0], ...Context['tenants']];
}

async function check(context: Context): Promise<number> {
  let failed = 0;
  for (const { name, run } of CHECKS) {
    // The others rest on the first.
    const { only } = context.options;
    if (only.length > 0 && name !== 'ready' && !only.includes(name)) continue;
    const started = performance.now();
    const seconds = () => ((performance.now() - started) / 1000).toFixed(0);
    try {
      await run(context);
      say(`ok     ${name} (${seconds()} s)`);
    } catch (thrown) {
      failed++;
      say(`FAILED ${name} (${seconds()} s): ${(thrown as Error).message}`);
    }
  }
  return failed;
}

function optionsOrUsage(args: readonly string[]): Options {
  if (args.includes('--help')) {
    say(USAGE);
    process.exit();
  }
  try {
    return readOptions(args);
  } catch (thrown) {
    process.stderr.write(`${(thrown as Error).message}\n\n${USAGE}\n`);
    process.exit(2);
  }
}

const failed = await main(optionsOrUsage(process.argv.slice(2)));
say(failed === 0 ? 'all checks passed' : `${failed} checks failed`);
process.exitCode = failed === 0 ? 0 : 1;
