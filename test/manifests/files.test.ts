import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkOverlay, contextOf } from '../../functions/_local/manifests/check.ts';
import { checkFiles, overlaysIn } from '../../functions/_local/manifests/files.ts';
import { checkFunctions } from '../../functions/_local/manifests/functions.ts';
import type { Overlay } from '../../functions/_local/manifests/model.ts';
import { hasKubectl, renderOverlay } from '../../functions/_local/manifests/render.ts';
import { Sources } from '../../functions/_local/manifests/sources.ts';
import { STAGES } from '../../functions/_local/run/stages.ts';

/** Faults of files, each made in a copy of the repository's manifests. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const withKubectl = describe.skipIf(!hasKubectl() && process.env.CI !== 'true');

withKubectl('files', () => {
  let copy: string;
  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), 'knarr-manifests-'));
    for (const name of ['brokers', 'knative', 'triggers', 'func.yaml'])
      await cp(join(root, name), join(copy, name), { recursive: true });
    await symlink(join(root, 'functions'), join(copy, 'functions'));
  });
  afterAll(() => rm(copy, { recursive: true, force: true }));

  async function edited<T>(
    file: string,
    edit: (text: string) => string,
    check: () => T | Promise<T>,
  ): Promise<T> {
    const before = await readFile(join(copy, file), 'utf8');
    await writeFile(join(copy, file), edit(before));
    try {
      return await check();
    } finally {
      await writeFile(join(copy, file), before);
    }
  }
  const problemsOf = async (name: string) =>
    checkOverlay(await renderOverlay(copy, name), contextOf(root, STAGES, []));

  test('two objects in one file', async () => {
    const names = ['knative/overlays', 'knative/variants'].flatMap((name) => overlaysIn(copy, name));
    const used = new Set<string>();
    for (const name of names) for (const folder of new Sources(copy, name).folders) used.add(folder);
    expect(checkFiles(copy, used)).toEqual([]);
    const problems = await edited(
      'knative/base/embed.yaml',
      (text) => `${text}---\n${text}`,
      () => checkFiles(copy, used),
    );
    expect(problems).toEqual(['knative/base/embed.yaml:1: holds 2 objects; each has a file of its own']);
    const forgotten = await edited(
      'knative/base/kustomization.yaml',
      (text) => text.replace('  - embed.yaml\n', ''),
      () => checkFiles(copy, used),
    );
    expect(forgotten).toEqual(['knative/base/embed.yaml:1: no kustomization takes it']);
    used.delete('knative/components/spot');
    expect(checkFiles(copy, used)).toEqual([
      expect.stringMatching(/^knative\/components\/spot\/kustomization.yaml:1: .*used by no overlay/),
    ]);
  });

  test('a patch that adds an unknown field', async () => {
    const problems = await edited(
      'knative/overlays/local/small.yaml',
      (text) => `${text}- op: add\n  path: /spec/template/spec/containerConcurency\n  value: 4\n`,
      () => problemsOf('knative/overlays/local'),
    );
    expect(problems).toContainEqual(
      expect.stringMatching(
        /^knative\/overlays\/local\/small.yaml:\d+: Service\/embed: spec.template.spec.containerConcurency: there is no such field$/,
      ),
    );
  });

  test('a Service that is renamed in its file', async () => {
    const problems = await edited(
      'knative/base/embed.yaml',
      (text) => text.replace('  name: embed\n', '  name: embedder\n'),
      () => problemsOf('knative/overlays/local'),
    );
    expect(problems).toContainEqual(
      expect.stringMatching(
        /^triggers\/chunks-created-to-embed.yaml:\d+: Trigger\/chunks-created-to-embed: spec.subscriber: there is no Service knarr\/embed$/,
      ),
    );
  });

  test('an event type that is renamed in its Trigger', async () => {
    const problems = await edited(
      'triggers/query-asked-to-embed.yaml',
      (text) => text.replace('query.asked.v1', 'query.posed.v1'),
      () => problemsOf('knative/overlays/local'),
    );
    expect(problems).toContainEqual(
      expect.stringMatching(
        /^triggers\/query-asked-to-embed.yaml:\d+: Trigger\/query-asked-to-embed: spec.filter.attributes.type: dev.knarr.query.posed.v1 is not in the event catalogue$/,
      ),
    );
  });

  test('an overlay that does not render', async () => {
    const rendering = edited(
      'knative/overlays/local/kustomization.yaml',
      (text) => text.replace('../../base', '../../bases'),
      () => problemsOf('knative/overlays/local'),
    );
    await expect(rendering).rejects.toThrow(/knative\/overlays\/local does not render: .*bases/s);
  });
});

test.each(['docs/deploy.md', 'docs/gpu.md'])('every file that %s names is there', async (page) => {
  const text = await readFile(join(root, page), 'utf8');
  const named = [...text.matchAll(/`((?:brokers|functions|images|knative|triggers)\/[\w./-]+)`/g)].map(
    ([, path]) => path as string,
  );
  expect(named.length).toBeGreaterThan(3);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

withKubectl('func.yaml', () => {
  let overlay: Overlay;
  beforeAll(async () => {
    overlay = await renderOverlay(root, 'knative/overlays/cpu');
  });

  test.each([
    [
      'autoscaling annotation',
      (text: string) =>
        text.replace('annotations:\n', 'annotations:\n    autoscaling.knative.dev/window: 30s\n'),
      /deploy.annotations.*refuses autoscaling/,
    ],
    [
      'unknown field',
      (text: string) => text.replace('options:\n', 'options:\n    gpu: 1\n'),
      /deploy.options.gpu: func.yaml has no such field/,
    ],
    ['never created', (text: string) => text.replace(/created: .*\n/, ''), /created/],
    [
      'other numbers than the overlay',
      (text: string) => text.replace('concurrency: 16', 'concurrency: 8'),
      /limits.concurrency: is 8, but 16 in knative\/overlays\/cpu/,
    ],
    [
      'a variable too few',
      (text: string) => text.replace(/ {4}- name: KNARR_EMBED_DIMENSIONS\n.*\n/, ''),
      /run.envs: KNARR_EMBED_DIMENSIONS is not set/,
    ],
    [
      'subscriptions',
      (text: string) => text.replace('deploy:\n', 'deploy:\n  subscriptions: []\n'),
      /deploy.subscriptions: func.yaml has no such field/,
    ],
  ])('refused: %s', async (_, edit, says) => {
    const folder = await mkdtemp(join(tmpdir(), 'knarr-func-'));
    try {
      await cp(join(root, 'functions/embed/func.yaml'), join(folder, 'functions/embed/func.yaml'));
      const file = join(folder, 'functions/embed/func.yaml');
      await writeFile(file, edit(await readFile(file, 'utf8')));
      const problems = checkFunctions(folder, overlay);
      expect(problems).toContainEqual(expect.stringMatching(says));
      expect(problems[0]).toMatch(/^functions\/embed\/func.yaml:\d+: /);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
