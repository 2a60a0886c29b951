import { monitorEventLoopDelay } from 'node:perf_hooks';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { AggregationType, MeterProvider } from '@opentelemetry/sdk-metrics';

/** Seconds; close together around the 100 ms budget of a question and its stages. */
const BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/** Observations that wait to be recorded, at most. */
const OBSERVATIONS = 512;

export interface Metrics {
  /** One piece of work of a stage: `kind` is `call` or `event`, `outcome` is `ok` or an error code. */
  observeStage(stage: string, kind: string, outcome: string, seconds: number): void;
  /** A gauge read when it is scraped. */
  gauge(
    name: string,
    description: string,
    read: () => { value: number; labels?: Record<string, string> }[],
  ): void;
  count(name: string, description: string, labels: Record<string, string>, by?: number): void;
  /** Prometheus text format 0.0.4. */
  text(): Promise<string>;
  close(): Promise<void>;
}

/** Metrics of one process, with the delay of its event loop since the last scrape. */
export function createMetrics(): Metrics {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const provider = new MeterProvider({
    readers: [exporter],
    views: [
      {
        instrumentName: '*_duration_seconds',
        aggregation: { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries: BUCKETS } },
      },
    ],
  });
  const meter = provider.getMeter('knarr');
  const serializer = new PrometheusSerializer(undefined, false, undefined, true, true);
  const duration = meter.createHistogram('knarr_stage_duration_seconds', {
    description: 'Time a stage spent on one call or event.',
  });
  // Recording one costs a small request dearly, many at once do not.
  let observed: [seconds: number, labels: Record<string, string>][] = [];
  const record = () => {
    for (const [seconds, labels] of observed) duration.record(seconds, labels);
    observed = [];
  };
  const counters = new Map<string, ReturnType<typeof meter.createCounter>>();

  const metrics: Metrics = {
    observeStage(stage, kind, outcome, seconds) {
      if (observed.push([seconds, { stage, kind, outcome }]) === OBSERVATIONS) record();
    },
    gauge(name, description, read) {
      meter.createObservableGauge(name, { description }).addCallback((result) => {
        for (const { value, labels } of read()) result.observe(value, labels ?? {});
      });
    },
    count(name, description, labels, by = 1) {
      const counter = counters.get(name) ?? meter.createCounter(name, { description });
      counters.set(name, counter);
      counter.add(by, labels);
    },
    async text() {
      record();
      const { resourceMetrics } = await exporter.collect();
      return serializer.serialize(resourceMetrics);
    },
    async close() {
      delay.disable();
      await provider.shutdown();
    },
  };

  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  metrics.gauge('knarr_event_loop_delay_seconds', 'Event loop delay since the last scrape.', () => {
    const read = [0.5, 0.99].map((q) => ({
      value: delay.percentile(q * 100) / 1e9,
      labels: { quantile: String(q) },
    }));
    delay.reset();
    return read;
  });
  metrics.gauge('process_resident_memory_bytes', 'Resident memory.', () => [
    { value: process.memoryUsage.rss() },
  ]);
  return metrics;
}
