import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parse } from 'yaml';
import { selects } from '../../../functions/_local/manifests/selectors.ts';
import { type Edge, loadTopology } from '../../../functions/_local/wiring/topology.ts';
import { asset } from '../../../functions/_shared/assets.ts';
import type { StageName } from '../../../functions/_shared/stage.ts';

/** The shipped Triggers with a Broker of this kind, their Services at the addresses where the stages really are. */
export function shippedEdges(kind: string, urls: Readonly<Record<StageName, string>>): Edge[] {
  const moved = (address: string) => {
    const { hostname, pathname } = new URL(address);
    return urls[hostname.split('.')[0] as StageName].replace(/\/$/, '') + pathname;
  };
  return loadTopology(dirname(asset('brokers')), kind).edges.map((edge) => {
    const { deadLetterSink, ...delivery } = edge.delivery;
    const sink = deadLetterSink === undefined ? {} : { deadLetterSink: moved(deadLetterSink) };
    return { ...edge, subscriber: moved(edge.subscriber), delivery: { ...delivery, ...sink } };
  });
}

/** K_SINK for a stage to which the shipped SinkBinding gives it, nothing for any other. */
export function sinkOf(stage: StageName, sink: string): { K_SINK?: string } {
  const shipped = (name: string) => parse(readFileSync(asset(`knative/base/${name}.yaml`), 'utf8'));
  const { selector } = shipped('eventing/publishers').spec.subject;
  return selects(selector, shipped(stage).metadata.labels) ? { K_SINK: sink } : {};
}
