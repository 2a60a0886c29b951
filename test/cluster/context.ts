import type { Cluster } from '../../functions/_local/cluster/kubectl.ts';
import type { Tenant } from '../faults/prober.ts';
import type { Random } from '../faults/random.ts';
import type { Api } from '../support/api.ts';
import type { Deployment } from './deployment.ts';
import type { Figures } from './figures.ts';
import type { Options } from './options.ts';

/** What a check works with. */
export interface Context {
  cluster: Cluster;
  options: Options;
  namespace: string;
  deployment: Deployment;
  /** Where the API answers, for whatever takes a URL. */
  url: string;
  /** The API with the operator's key. */
  knarr: Api;
  tenants: readonly [Tenant, ...Tenant[]];
  figures: Figures;
  random: Random;
  /** One line about what was seen. */
  note(line: string): void;
}

/** Throws for what is not as it has to be. */
export interface Check {
  name: string;
  run(context: Context): Promise<void>;
}
