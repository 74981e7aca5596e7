import type { PipelineEvent } from '@sluice/core';

/** What happened, in one line for people. */
export function eventText(event: PipelineEvent): string {
  switch (event.type) {
    case 'started':
      return `${event.pipeline} runs`;
    case 'degraded':
      return `${event.part}: ${event.error.message}; attempt ${event.attempt} failed, the next is in ${seconds(event.delayMs)}`;
    case 'recovered':
      return `${event.part}: works again`;
    case 'deadLetter':
      return `${event.part}: ${event.count} ${event.count === 1 ? 'message' : 'messages'} ${
        event.dropped ? 'dropped' : 'stored as dead letter'
      }: ${event.error.message}`;
    case 'notice':
      return `${event.part}: ${event.text}`;
    case 'stopped': {
      const { received, written, deadLettered, unsettled } = event.summary;
      const rest = [
        deadLettered > 0 ? `${deadLettered} dead letters` : '',
        unsettled > 0 ? `${unsettled} left unsettled` : '',
      ];
      return [`${event.pipeline} stopped: ${received} received`, `${written} written`, ...rest.filter(Boolean)].join(
        ', ',
      );
    }
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
