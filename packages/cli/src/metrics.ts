import type { IncomingMessage, ServerResponse } from 'node:http';
import { metrics } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import {
  defaultResource,
  detectResources,
  type Resource,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { version } from './version.js';

/** Answers a scrape. */
export type AnswerScrape = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Begins to collect what is measured through the OpenTelemetry API, as Prometheus text. Before a pipeline is made: what was
 * made earlier measures into nothing.
 */
export function collectMetrics(): AnswerScrape {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  metrics.setGlobalMeterProvider(new MeterProvider({ resource: resource(), readers: [exporter] }));
  return (request, response) => exporter.getMetricsRequestHandler(request, response);
}

/** Who measures. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say it otherwise, as everywhere in OpenTelemetry. */
function resource(): Resource {
  const own = resourceFromAttributes({ 'service.name': 'sluice', 'service.version': version() });
  const detectors = [resourceAttributesEnvDetector, serviceNameEnvDetector];
  return defaultResource().merge(own).merge(detectResources({ detectors }));
}
