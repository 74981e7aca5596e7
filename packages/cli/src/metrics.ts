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
import { AggregationTemporality, InstrumentType, MeterProvider } from '@opentelemetry/sdk-metrics';
import { version } from './version.js';

/** Answers a scrape. */
export type AnswerScrape = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Begins to collect what is measured through the OpenTelemetry API, as Prometheus text. Before a pipeline is made: what was
 * made earlier measures into nothing.
 */
export function collectMetrics(): AnswerScrape {
  const exporter = new ScrapeExporter({ preventServerStart: true });
  metrics.setGlobalMeterProvider(new MeterProvider({ resource: resource(), readers: [exporter] }));
  return (request, response) => exporter.getMetricsRequestHandler(request, response);
}

/** Tells of a gauge what is observed now. With cumulative temporality the SDK would repeat what was observed once, for ever. */
class ScrapeExporter extends PrometheusExporter {
  override selectAggregationTemporality(type: InstrumentType): AggregationTemporality {
    return type === InstrumentType.OBSERVABLE_GAUGE
      ? AggregationTemporality.DELTA
      : super.selectAggregationTemporality(type);
  }
}

/** Who measures. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say it otherwise, as everywhere in OpenTelemetry. */
function resource(): Resource {
  const own = resourceFromAttributes({ 'service.name': 'sluice', 'service.version': version() });
  const detectors = [resourceAttributesEnvDetector, serviceNameEnvDetector];
  return defaultResource().merge(own).merge(detectResources({ detectors }));
}
