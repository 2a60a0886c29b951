import { type EventName, eventName, eventType, TERMINAL } from '../../_shared/events.ts';
import type { Stage } from '../../_shared/stage.ts';
import type { Edge, Topology } from './topology.ts';
import { WiringError } from './yaml.ts';

/** What the check needs to know of a stage. */
export type WiredStage = Pick<Stage<never>, 'name' | 'on' | 'emits'>;

/**
 * Proves that the Triggers and the code agree: each subscriber exists and consumes the type it is sent, every type a
 * stage emits has a consumer or is terminal, every type a stage consumes is delivered to it, and no event can cause
 * itself again. Throws {@link WiringError} with all problems.
 */
export function checkWiring(topology: Topology, stages: readonly WiredStage[]): void {
  const problems = [
    ...topology.edges.flatMap((edge) => checkEdge(edge, stages)),
    ...repeatedEdges(topology),
    ...loops(topology, stages),
  ];
  /** Of every event of the type: a Trigger that asks for more takes some of them only. */
  const consumersOf = (name: EventName) =>
    topology.edges.filter(({ attributes: { type = '', ...more } }) => {
      return (type === '' || type === eventType(name)) && Object.keys(more).length === 0;
    });

  for (const stage of stages) {
    const produced = Object.values(stage.on).flatMap((binding) => binding?.produces ?? []);
    for (const name of new Set([...produced, ...(stage.emits ?? [])])) {
      if (TERMINAL.includes(name) || consumersOf(name).length > 0) continue;
      problems.push(
        `${stage.name}: ${name} is emitted, but no Trigger takes every one and it is not terminal`,
      );
    }
    for (const name of Object.keys(stage.on) as EventName[]) {
      if (consumersOf(name).some((edge) => edge.service === stage.name)) continue;
      problems.push(`${stage.name}: ${name} is consumed, but no Trigger delivers every one`);
    }
  }
  if (problems.length > 0) throw new WiringError(problems);
}

function checkEdge(edge: Edge, stages: readonly WiredStage[]): string[] {
  if (edge.service === undefined) return [];
  const stage = stages.find(({ name }) => name === edge.service);
  if (!stage) return [`${edge.at.subscriber}: there is no stage ${edge.service}`];
  if (new URL(edge.subscriber).pathname !== '/')
    return [`${edge.at.subscriber}: a stage takes events at / only`];
  const type = edge.attributes.type ?? '';
  if (type === '')
    return [`${edge.at.filter}: without a type, ${edge.service} gets events that it does not consume`];
  const name = eventName(type);
  if (!name) return [`${edge.at.filter}: ${type} is not in the event catalogue`];
  return stage.on[name] ? [] : [`${edge.at.filter}: ${edge.service} does not consume ${name}`];
}

/** Two Triggers that send a stage the same events would make it do its work twice. */
function repeatedEdges({ edges }: Topology): string[] {
  const first = new Map<string, string>();
  return edges.flatMap(({ name, broker, namespace, subscriber, attributes, at }) => {
    const key = JSON.stringify([namespace, broker, subscriber, attributes.type]);
    const before = first.get(key);
    first.set(key, before ?? name);
    return before ? [`${at.subscriber}: ${before} sends it these events already`] : [];
  });
}

function loops(topology: Topology, stages: readonly WiredStage[]): string[] {
  const next = new Map<EventName, Set<EventName>>();
  for (const { service, attributes } of topology.edges) {
    const name = eventName(attributes.type ?? '');
    const binding = name && stages.find((stage) => stage.name === service)?.on[name];
    if (!name || !binding) continue;
    next.set(name, new Set([...(next.get(name) ?? []), ...binding.produces]));
  }
  const found = new Set<string>();
  const visit = (name: EventName, path: EventName[]): void => {
    const start = path.indexOf(name);
    if (start >= 0) {
      const cycle = path.slice(start);
      // The same loop is met from each of its events: keep one.
      if (cycle.every((other) => name <= other))
        found.add(`an event causes itself again: ${[...cycle, name].join(' → ')}`);
      return;
    }
    for (const caused of next.get(name) ?? []) visit(caused, [...path, name]);
  };
  for (const name of next.keys()) visit(name, []);
  return [...found];
}
