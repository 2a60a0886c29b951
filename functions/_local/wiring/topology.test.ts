import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { copyManifests, type ManifestCopy, SHIPPED } from './testing.ts';
import { loadTopology } from './topology.ts';

const KINDS = ['in-memory', 'kafka', 'rabbitmq'];
const TRIGGER = 'triggers/chunks-created-to-embed.yaml';

test.each(KINDS)('the shipped manifests are valid with the %s Broker', (kind) => {
  const { brokers, edges, services } = loadTopology(SHIPPED, kind);
  expect(brokers).toHaveLength(1);
  expect(edges.length).toBeGreaterThan(9);
  for (const edge of edges) {
    expect(services).toContain(edge.service);
    expect(edge.attributes.type).toMatch(/^dev\.(knarr|knative)\./);
    expect(edge.delivery.deadLetterSink).toMatch(/^http:\/\/recover\./);
  }
});

test.each(['triggers', 'knative/base'])('what is read from %s is what kubectl applies', (folder) => {
  const listed = parse(readFileSync(join(SHIPPED, folder, 'kustomization.yaml'), 'utf8'))
    .resources as string[];
  const files = readdirSync(join(SHIPPED, folder)).filter(
    (file) => file.endsWith('.yaml') && file !== 'kustomization.yaml',
  );
  expect(listed.filter((file) => file.endsWith('.yaml')).sort()).toEqual(files.sort());
});

describe('a copy of the manifests', () => {
  let copy: ManifestCopy;
  beforeEach(() => {
    copy = copyManifests();
  });
  afterEach(() => copy.close());

  const edgeOf = (name: string) => loadTopology(copy.root).edges.find((edge) => edge.name === name);
  const NAME = 'chunks-created-to-embed';

  test('an edge has its subscriber, limits and delivery looked up', () => {
    expect(edgeOf(NAME)).toMatchObject({
      namespace: 'default',
      broker: 'default',
      attributes: { type: 'dev.knarr.chunks.created.v1' },
      service: 'embed',
      subscriber: 'http://embed.default.svc.cluster.local/',
      concurrency: 16,
      delivery: {
        retry: 8,
        backoffPolicy: 'exponential',
        backoffDelay: 200,
        timeout: 120_000,
        deadLetterSink: 'http://recover.default.svc.cluster.local/',
      },
    });
  });

  const delivery = () => {
    const text = readFileSync(join(copy.root, TRIGGER), 'utf8');
    return text.slice(text.indexOf('  delivery:'));
  };

  test("a Trigger's delivery replaces its Broker's as a whole; only the dead letter sink falls back", () => {
    copy.change(TRIGGER, delivery(), '  delivery:\n    timeout: PT1H30M0.5S\n');
    expect(edgeOf(NAME)?.delivery).toEqual({
      retry: 0,
      timeout: 5_400_500,
      deadLetterSink: 'http://recover.default.svc.cluster.local/',
    });
  });

  test("a Trigger without a delivery has its Broker's", () => {
    copy.change(TRIGGER, delivery(), '');
    expect(edgeOf(NAME)?.delivery).toEqual({
      retry: 5,
      backoffPolicy: 'exponential',
      backoffDelay: 200,
      deadLetterSink: 'http://recover.default.svc.cluster.local/',
    });
  });

  test('a subscriber may be an absolute uri, or a path of a Service', () => {
    const ref =
      '    ref:\n      apiVersion: serving.knative.dev/v1\n      kind: Service\n      name: embed\n';
    copy.change(TRIGGER, ref, `${ref}    uri: /batch?size=2\n`);
    expect(edgeOf(NAME)?.subscriber).toBe('http://embed.default.svc.cluster.local/batch?size=2');
    copy.change(TRIGGER, `${ref}    uri: /batch?size=2\n`, '    uri: https://example.org/hook\n');
    expect(edgeOf(NAME)).toMatchObject({ subscriber: 'https://example.org/hook', service: undefined });
  });
});
