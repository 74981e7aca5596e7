import type { IncomingMessage, ServerResponse } from 'node:http';
import { metrics } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';

/** Answers a scrape. */
export type AnswerScrape = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Begins to collect what is measured through the OpenTelemetry API, as Prometheus text. Before a pipeline is made: what was
 * made earlier measures into nothing.
 */
export function collectMetrics(): AnswerScrape {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [exporter] }));
  return (request, response) => exporter.getMetricsRequestHandler(request, response);
}
