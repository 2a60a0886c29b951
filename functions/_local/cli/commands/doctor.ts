import { checkDns } from '../../cluster/dns.ts';
import type { Finding } from '../../cluster/finding.ts';
import { checkKnative } from '../../cluster/knative.ts';
import { type Cluster, createCluster } from '../../cluster/kubectl.ts';
import { checkMesh } from '../../cluster/mesh.ts';
import { checkDeployed, checkNeeds, namespaceOf } from '../../cluster/objects.ts';
import { overlayFolder } from '../../cluster/overlay.ts';
import { checkPlaceholders } from '../../cluster/placeholders.ts';
import { checkStores } from '../../cluster/stores.ts';
import { renderOverlay } from '../../manifests/render.ts';
import type { Output } from '../output.ts';

const MARKS = { ok: '✓', warning: '!', problem: '✗' } as const;

/** `knarr doctor`: whether the cluster has what an overlay needs, and whether what is deployed is well. Exit code 1 when not. */
export async function doctor(output: Output, name: string, options: { context?: string }): Promise<number> {
  const { root, folder } = overlayFolder(name);
  const findings = await examine(createCluster(options), root, folder);
  output.data({ overlay: folder, findings });
  for (const { what, status, detail, fix } of findings) {
    output.text(`${MARKS[status]} ${what}: ${detail}`);
    if (fix) output.text(`    ${fix}`);
  }
  const problems = findings.filter(({ status }) => status === 'problem').length;
  const warnings = findings.filter(({ status }) => status === 'warning').length;
  output.text(`\n${problems} problems, ${warnings} warnings, ${findings.length - problems - warnings} ok`);
  return problems === 0 ? 0 : 1;
}

export async function examine(cluster: Cluster, root: string, folder: string): Promise<Finding[]> {
  const overlay = await renderOverlay(root, folder);
  const namespace = namespaceOf(overlay);
  return [
    checkPlaceholders(overlay),
    ...(await checkKnative(cluster, overlay)),
    ...(await checkMesh(cluster, overlay)),
    ...(await checkDns(cluster, overlay)),
    ...(await checkNeeds(cluster, overlay)),
    ...(await checkDeployed(cluster, namespace)),
    ...(await checkStores(cluster, overlay, namespace)),
  ];
}
