import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import jsonata from 'jsonata';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import {
  type CheckContext,
  checkManifests,
  checkOverlay,
  contextOf,
  type RenderedOverlay,
  renderAll,
} from '../../functions/_local/manifests/check.ts';
import { type Fields, type Overlay, type Path, valueAt } from '../../functions/_local/manifests/model.ts';
import { hasKubectl } from '../../functions/_local/manifests/render.ts';
import { STAGES } from '../../functions/_local/run/stages.ts';
import { EVENTS } from '../../functions/_shared/events.ts';

/** Manifests that are wrong on purpose, each in one way: the check says so, and names the file and the field. */

const root = fileURLToPath(new URL('../..', import.meta.url));

/** kubectl is no part of Node: without it the overlays cannot be rendered. In CI it has to be there. */
const there = hasKubectl() || process.env.CI === 'true';
const withKubectl = describe.skipIf(!there);

let all: RenderedOverlay[];
let context: CheckContext;
const overlayOf = (name: string) =>
  all.find((overlay) => overlay.name.endsWith(`/${name}`)) as RenderedOverlay;
beforeAll(async () => {
  if (!there) return;
  all = await renderAll(root);
  context = contextOf(root, STAGES, all);
}, 300_000);

interface Case {
  rule: string;
  overlay?: string;
  /** `Kind/name`; a generated name without its hash. */
  object: string;
  at: string;
  value?: unknown;
  gone?: boolean;
  replace?: [string, string];
  says: string;
  file?: string;
  field?: string;
}
const CASES = parse(readFileSync(join(root, 'test/manifests/broken.yaml'), 'utf8')) as Case[];

const pathOf = (text: string): (string | number)[] =>
  [...text.matchAll(/\[([^\]]+)\]|[^.[\]]+/g)].map(
    ([whole, quoted]) => quoted ?? (/^\d+$/.test(whole) ? Number(whole) : whole),
  );

/** The overlay with one field of one object changed. */
function changed(overlay: Overlay, { object, at, value, gone, replace }: Case): Overlay {
  const [kind, name] = object.split('/');
  const named = new RegExp(`^${name}(-[a-z0-9]{10})?$`);
  let found = false;
  const rendered = overlay.rendered.map((one) => {
    if (one.object.kind !== kind || !named.test(one.object.metadata.name)) return one;
    found = true;
    const copy = structuredClone(one.object);
    const path = pathOf(at);
    const last = path.pop() as string;
    let parent: Fields = copy;
    for (const part of path) parent = parent[part] ??= {};
    if (replace) parent[last] = parent[last].replace(...replace);
    else if (!gone) parent[last] = value;
    else if (Array.isArray(parent)) parent.splice(Number(last), 1);
    else delete parent[last];
    return { ...one, object: copy };
  });
  expect(found, `there is no ${object}`).toBe(true);
  return { ...overlay, rendered };
}

withKubectl('manifests', () => {
  test('every overlay, variant, file and func.yaml is sound', () => {
    expect(checkManifests(root, STAGES, all)).toEqual([]);
    expect(all.length).toBeGreaterThanOrEqual(9);
  });

  test.each(CASES)('refused: $rule ($object)', (broken) => {
    const { overlay: name = 'local', object, at } = broken;
    const says = new RegExp(broken.says);
    const overlay = overlayOf(name);
    const file = broken.file ?? `knative/base/${object.split('/')[1]}.yaml`;
    const last = pathOf(broken.field ?? at).at(-1) as string;
    const field = broken.field ?? String(last);
    const problems = checkOverlay(changed(overlay, broken), context);
    const told = problems.filter((problem) => says.test(problem) && problem.includes(field));
    expect(told, problems.join('\n')).not.toEqual([]);
    expect(
      told.some((problem) => new RegExp(`^${file}:\\d+: `).test(problem)),
      told.join('\n'),
    ).toBe(true);
  });

  test('a reported line is the line of the field', async () => {
    const service = overlayOf('production').rendered.find(
      ({ object: { kind, metadata } }) => kind === 'Service' && metadata.name === 'embed',
    );
    const lineOf = async (path: Path) => {
      const [file = '', line] = (service?.at(path) ?? '').split(':');
      return (await readFile(join(root, file), 'utf8')).split('\n')[Number(line) - 1]?.trim();
    };
    expect(valueAt(service?.object, ['spec', 'template', 'spec', 'timeoutSeconds'])).toBe(130);
    expect(await lineOf(['spec', 'template', 'spec', 'timeoutSeconds'])).toBe('timeoutSeconds: 130');
    // Put in by a patch, in a file and in the kustomization itself.
    expect(await lineOf(['spec', 'template', 'spec', 'initContainers', 0, 'image'])).toBe(
      'path: /spec/template/spec/initContainers',
    );
    const features = overlayOf('production').rendered.find(
      ({ object }) => object.metadata.name === 'config-features',
    );
    const [file = '', line] = (features?.at(['data', 'kubernetes.podspec-affinity']) ?? '').split(':');
    expect(file).toBe('knative/components/spot/kustomization.yaml');
    expect((await readFile(join(root, file), 'utf8')).split('\n')[Number(line) - 1]).toContain(
      'kubernetes.podspec-affinity',
    );
  });

  test('an S3 notification becomes a document.submitted', async () => {
    const transform = overlayOf('production').rendered.find(({ object }) => object.kind === 'EventTransform');
    const record = {
      awsRegion: 'eu-west-1',
      eventTime: '2026-01-02T03:04:05.678Z',
      eventName: 'ObjectCreated:Put',
      s3: {
        bucket: { name: 'docs' },
        object: { key: 'hand+book/caf%C3%A9+%26+co.pdf', size: 12, sequencer: '0055AED6DCD90281E5' },
      },
    };
    const expression = jsonata(transform?.object.spec.jsonata.expression);
    for (const data of [{ Records: [record] }, JSON.stringify({ Records: [record] })]) {
      const event = await expression.evaluate({ type: 'dev.knative.eventing.aws-sqs', data });
      expect(event).toMatchObject({
        type: 'dev.knarr.document.submitted.v1',
        tenant: 'default',
        subject: 'hand%20book%2Fcaf%C3%A9%20%26%20co.pdf',
      });
      expect(EVENTS['document.submitted'].parse(event.data)).toMatchObject({
        document: 'hand book/café & co.pdf',
        uri: 'https://docs.s3.eu-west-1.amazonaws.com/hand%20book/caf%C3%A9%20%26%20co.pdf',
      });
    }
  });
});
