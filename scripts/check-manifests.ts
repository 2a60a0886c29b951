// npm run check:manifests: renders every overlay of knative/ and checks it against Kubernetes, Knative and the code.
import { fileURLToPath } from 'node:url';
import { checkManifests, renderAll } from '../functions/_local/manifests/check.ts';
import { hasKubectl } from '../functions/_local/manifests/render.ts';
import { STAGES } from '../functions/_local/run/stages.ts';

if (!hasKubectl()) {
  console.log(
    'check:manifests: skipped, since kubectl is not installed: its kustomize renders the overlays.',
  );
  process.exit(process.env.CI === 'true' ? 1 : 0);
}
const root = fileURLToPath(new URL('..', import.meta.url));
const overlays = await renderAll(root);
const problems = checkManifests(root, STAGES, overlays);
for (const problem of problems) console.error(problem);
for (const { name, rendered } of overlays) console.log(`${name}: ${rendered.length} objects`);
console.log(problems.length === 0 ? 'ok' : `${problems.length} problems`);
process.exit(problems.length === 0 ? 0 : 1);
