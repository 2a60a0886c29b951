import { describe, expect, test } from 'vitest';
import { deploy } from '../functions/_local/cli/commands/deploy.ts';
import { createOutput } from '../functions/_local/cli/output.ts';
import { hasKubectl } from '../functions/_local/manifests/render.ts';

/** knarr deploy, by the real kubectl. */

describe.skipIf(!hasKubectl() && process.env.CI !== 'true')('deploy', () => {
  const notes: string[] = [];
  const output = { ...createOutput(true), data: () => {}, note: (line: string) => void notes.push(line) };
  const commands = () => notes.filter((line) => line.startsWith('$ '));

  test('says the commands, settings first, and runs none of them', async () => {
    notes.length = 0;
    expect(await deploy(output, 'production', { dryRun: true, timeout: '5m', context: 'my cluster' })).toBe(
      0,
    );
    expect(commands()).toEqual([
      "$ kubectl --context 'my cluster' apply --server-side --field-manager knarr --kustomize knative/overlays/production --selector knarr.dev/settings",
      "$ kubectl --context 'my cluster' apply --server-side --field-manager knarr --force-conflicts --kustomize knative/overlays/production --selector '!knarr.dev/settings'",
      "$ kubectl --context 'my cluster' wait ksvc --namespace knarr --selector app.kubernetes.io/part-of=knarr --for condition=Ready --timeout 5m",
    ]);
    notes.length = 0;
    await deploy(output, 'local', { dryRun: true, timeout: '5m' });
    expect(commands()[0]).toBe(
      '$ kubectl apply --server-side --field-manager knarr --force-conflicts --kustomize knative/overlays/local',
    );
  });

  test('waits as long as Knative does for the slowest revision', async () => {
    for (const [overlay, seconds] of [
      ['cpu', 600],
      ['production', 1800],
    ]) {
      notes.length = 0;
      await deploy(output, String(overlay), { dryRun: true });
      expect(commands().at(-1)).toContain(`--timeout ${seconds}s`);
    }
  });

  test('refuses what nobody has filled in', async () => {
    notes.length = 0;
    expect(await deploy(output, 'production', { context: 'there is no such context' })).toBe(1);
    expect(commands()).toEqual([]);
    for (const line of [
      /^knative\/components\/ingress-tls\/issuer.yaml:10: ClusterIssuer\/letsencrypt: spec.acme.email: platform@example.com$/m,
      /^knative\/components\/source-s3\/queue.yaml:11: .*123456789012/m,
      /ConfigMap\/knarr-\w+: data\.s3-endpoint: .*s3\.example\.com$/m,
      /^knative\/overlays\/production\/kustomization.yaml: images: registry.example.com\/knarr\/embed-cuda:0.1.0$/m,
      /components\/qdrant\/.*s3\.example\.com/,
    ])
      expect(notes.join('\n')).toMatch(line);
  });

  test('ends with the first command that fails', async () => {
    notes.length = 0;
    expect(await deploy(output, 'local', { timeout: '1s', context: 'there is no such context' })).toBe(1);
    expect(commands()).toHaveLength(1);
    expect(notes.at(-1)).toContain('knarr doctor local');
  });
});
