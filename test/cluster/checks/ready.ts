import { checkDeployed } from '../../../functions/_local/cluster/objects.ts';
import type { Check } from '../context.ts';
import { eventually } from '../reach.ts';

/** Services, Broker, Triggers, timers and bindings, as `knarr doctor` looks at them. */
export const everythingReady: Check = {
  name: 'ready',
  async run({ cluster, namespace, note }) {
    let seen = '';
    const findings = await eventually(`everything in ${namespace} ready`, 120, async () => {
      const found = await checkDeployed(cluster, namespace);
      const waiting = found.filter(({ status }) => status !== 'ok');
      const now = waiting.map(({ what, detail }) => `${what}: ${detail}`).join('; ');
      if (now !== seen && now !== '') note(now);
      seen = now;
      return waiting.length === 0 && found;
    });
    note(findings.map(({ what, detail }) => `${what}: ${detail}`).join(', '));
  },
};
