import type { Attributes, Observable } from '@opentelemetry/api';

/** The number that one set of attributes has. */
export interface Series {
  value: number;
  readonly attributes: Attributes;
}

/**
 * The numbers of one observable instrument. OpenTelemetry reads them when it collects, so a count costs an addition; a synchronous
 * instrument would hash its attributes for each one, which takes a microsecond.
 */
export class ObservedSeries {
  readonly #told = new Set<Series>();
  readonly #totals = new Map<string, Series>();

  constructor(instrument: Observable) {
    instrument.addCallback((result) => {
      for (const { value, attributes } of this.#told) result.observe(value, attributes);
    });
  }

  /** What all runs of this process count together: it outlives them, because the next collection may come when they have ended. */
  total(attributes: Attributes): Series {
    const key = JSON.stringify(attributes);
    const total = this.#totals.get(key) ?? this.add(attributes);
    this.#totals.set(key, total);
    return total;
  }

  /** A series that is told until it is removed. */
  add(attributes: Attributes): Series {
    const series = { value: 0, attributes };
    this.#told.add(series);
    return series;
  }

  remove(series: Series): void {
    this.#told.delete(series);
  }
}
